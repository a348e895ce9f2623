"""A whole Slurm on this machine: its own munge, controller and nodes, on loopback only."""

import fcntl
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "squeue": "slurm-client",
    "munged": "munge",
}
"""Program -> Debian's package that brings it."""
NODES = {
    "cpu1": "CPUs=8 RealMemory=64000",
    **dict.fromkeys(("gpu1", "gpu2", "gpu3"), "CPUs=4 RealMemory=64000 Gres=gpu:1"),
    **dict.fromkeys(("big1", "big2", "big3"), "CPUs=1 RealMemory=1000000"),
}
"""Node -> what it claims to have; those that die in the tests hold one job each."""
# real character devices, which slurmd only looks at; nothing here is a GPU
GPU_FILE = "/dev/null"

CONF = """\
ClusterName=netkin
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={controller_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/spool/%n
SlurmdParameters=config_overrides
PlugStackConfig=/dev/null
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
# memory is sampled every second, and a job over its limit is killed: needs no cgroup
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
# the records of ended jobs stay, for the tests to read
MinJobAge=7200
KillWait=2
SlurmdTimeout=10
SlurmctldTimeout=6
GresTypes=gpu
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=DEFAULT MaxTime=1-0 DefaultTime=1 State=UP
PartitionName=cpu Nodes=cpu1 Default=YES
PartitionName=gpu Nodes=gpu[1-3]
PartitionName=bigmem Nodes=big[1-3]
"""


def install():
    """Install Debian's packages of what is missing; return why that failed, or None."""
    # the workers of a test run all come here at once
    with (Path(tempfile.gettempdir()) / "netkin_install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
        if not missing:
            return None
        if shutil.which("apt-get") is None:
            return f"{', '.join(missing)} missing, and there is no apt-get to install it"
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (
            ["update", "-qq"],
            ["install", "-y", "--no-install-recommends", *missing],
        ):
            command = ["apt-get", *arguments]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=300
            )
            if done.returncode:
                return f"{' '.join(command)}: {done.stderr.strip()}"
    return None


def wait_for(condition, what, seconds=60, every=0.2):
    """Return what `condition()` gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(every)
    return found


class Cluster:
    """Daemons below one folder; every one is a child of this process and stopped by its id."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.conf = self.folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        self.daemons = {}

    def __enter__(self):
        for name in ("munge", "state", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").chmod(0o755)
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        ports = free_ports(len(NODES) + 1)
        nodes = [
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} {claim}"
            for (node, claim), port in zip(NODES.items(), ports[1:], strict=True)
        ]
        self.conf.write_text(
            CONF.format(
                folder=self.folder,
                user=getpass.getuser(),
                controller_port=ports[0],
                nodes="\n".join(nodes),
            )
        )
        gres = [f"NodeName={node} Name=gpu File={GPU_FILE}" for node in NODES if "gpu" in node]
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        try:
            self.start_munge()
            self.start_controller()
            for node in NODES:
                self.start_node(node)
            wait_for(self.all_idle, f"nodes of {self.folder} idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in [*reversed(NODES), "controller", "munge"]:
            self.stop(name)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def start_munge(self):
        """Start the daemon that vouches for users."""
        munge = self.folder / "munge"
        self._start(
            "munge",
            *("munged", "--force", "--foreground", "--num-threads=2", f"--key-file={munge}/key"),
            *(f"--socket={munge}/socket", f"--pid-file={munge}/pid"),
            *(f"--log-file={munge}/log", f"--seed-file={munge}/seed"),
        )
        wait_for((munge / "socket").exists, "socket of munge")

    def start_controller(self):
        """Start the controller, with the state it left if there is some."""
        self._start("controller", "slurmctld", "-D")

    def start_node(self, node):
        """Start the daemon of a node."""
        self._start(node, "slurmd", "-D", "-N", node)

    def _start(self, name, *command):
        with (self.folder / f"{name}.out").open("a") as log:
            # should the tests be killed, their daemons go too
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name, sign=signal.SIGTERM):
        """Stop one daemon by its process id."""
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(sign)
        try:
            daemon.wait(5)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(5)

    def kill_node(self, node):
        """Let a node die: its daemon and all processes of the jobs on it, at once."""
        on_it = [r["JobId"] for r in self.jobs() if r.get("NodeList") == node]
        self.stop(node, signal.SIGKILL)
        for job in on_it:
            for pid in self.processes(job):
                os.kill(pid, signal.SIGKILL)

    def processes(self, job=None):
        """Return the ids of the processes that belong to this cluster, or to one of its jobs."""
        found = []
        marks = {f"SLURM_CONF={self.conf}".encode()}
        if job is not None:
            marks.add(f"SLURM_JOB_ID={job}".encode())
        for process in Path("/proc").glob("[0-9]*"):
            try:
                inherited = marks <= set((process / "environ").read_bytes().split(b"\0"))
                if inherited or (job is not None and self._is_step(process, job)):
                    found.append(int(process.name))
            except OSError:
                continue  # it has ended
        return [pid for pid in found if pid != os.getpid()]

    def _is_step(self, process, job):
        """Tell whether a process is Slurm's own that watches over a job of this cluster."""
        if not (process / "cmdline").read_bytes().startswith(f"slurmstepd: [{job}.".encode()):
            return False
        # its environment is overwritten by its title; another cluster has jobs of this number too
        return any(self.folder in file.readlink().parents for file in (process / "fd").iterdir())

    def ask(self, *command):
        """Return what one of Slurm's commands prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def all_idle(self):
        """Tell whether all nodes are ready and without a job."""
        for name, daemon in self.daemons.items():
            said = (self.folder / f"{name}.out").read_text()
            assert daemon.poll() is None, f"{name} has ended:\n{said}"
        return self.ask("sinfo", "-h", "-N", "-o", "%N %T").split().count("idle") >= len(NODES)

    def jobs(self):
        """Return Slurm's records of all jobs, oldest first: {field: text}, `rule` added."""
        records = []
        for line in self.ask("scontrol", "-o", "show", "job").splitlines():
            record = dict(re.findall(r"(\S+?)=(\S*)", line))
            if "JobId" in record:
                comment = record.get("Comment", "")
                record["rule"] = re.sub(r"^rule_|_wildcards_.*$", "", comment)
                record["tres"] = dict(
                    item.rsplit("=", 1) for item in record.get("TRES", "").split(",") if item
                )
                records.append(record)
        return sorted(records, key=lambda record: int(record["JobId"]))


def free_ports(n):
    """Return so many ports of loopback that nobody listens to."""
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
