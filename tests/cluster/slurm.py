"""A whole Slurm on this machine: its own munge, accounts, controller and nodes, on loopback."""

import contextlib
import fcntl
import getpass
import os
import random
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
    "slurmdbd": "slurmdbd",
    # the server alone: Debian starts none
    "mariadbd": "mariadb-server-core",
}
"""Program -> Debian's package that brings it."""
NODES = {
    "cpu1": "CPUs=8 RealMemory=64000",
    **dict.fromkeys(("gpu1", "gpu2", "gpu3"), "CPUs=4 RealMemory=64000 Gres=gpu:1"),
    **dict.fromkeys(("big1", "big2", "big3"), "CPUs=1 RealMemory=1000000"),
}
"""Node -> what it claims to have; those that die in the tests hold one job each.

The names get a number of the cluster: Slurm names its cgroups after nodes.
"""
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
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
{memory}
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
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounts_port}
AccountingStoragePass={folder}/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
{nodes}
PartitionName=DEFAULT MaxTime=1-0 DefaultTime=1 State=UP
PartitionName=cpu Nodes={cpu} Default=YES
PartitionName=gpu Nodes={gpu}
PartitionName=bigmem Nodes={big}
"""
ACCOUNTS_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounts_port}
CommunicationParameters=NoInAddrAny
SlurmUser={user}
PidFile={folder}/accounts.pid
LogFile={folder}/accounts.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={user}
StorageLoc=slurm
"""
CGROUPS = Path("/sys/fs/cgroup")
# of version 1; version 2 would need systemd
CONTROLLERS = ("memory", "freezer")
ENFORCED = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup"""
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
ConstrainRAMSpace=yes
"""
# memory is sampled every second, and a job over its limit is killed: needs no cgroup
SAMPLED = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherParams=OverMemoryKill"""


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


def has_cgroups():
    """Tell whether cgroups can be made here that limit memory."""
    for controller in CONTROLLERS:
        trial = CGROUPS / controller / f"netkin_{os.getpid()}"
        try:
            trial.mkdir()
            trial.rmdir()
        except OSError:
            return False
    return True


def wait_for(condition, what, seconds=60, every=0.2):
    """Return what `condition()` gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(every)
    return found


def send(sign, pids):
    """Send a signal to processes; it does not matter if one has just ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


class Cluster:
    """Daemons below one folder; every one is a child of this process and stopped by its id."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.conf = self.folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        self.enforced = has_cgroups()
        self.daemons = {}
        self.nodes = {}
        self.holder = None

    @property
    def commands(self):
        """Folder of an ``srun`` that finds this cluster.

        In a job the plugin of Snakemake takes SLURM_CONF away, which a cluster of one's own, unlike
        one whose configuration is where Slurm looks for it, needs.
        """
        folder = self.folder / "bin"
        path = folder / "srun"
        if not path.exists():
            folder.mkdir(exist_ok=True)
            srun = shutil.which("srun")
            path.write_text(f'#!/bin/sh\nSLURM_CONF="{self.conf}" exec "{srun}" "$@"\n')
            path.chmod(0o755)
        return folder

    @property
    def over_memory(self):
        """State of a job that took more memory than it asked for."""
        return "OUT_OF_MEMORY" if self.enforced else "FAILED"

    def __enter__(self):
        self.holder, (controller_port, accounts_port, *ports) = hold_ports(len(NODES) + 2)
        self.nodes = {f"{node}-{controller_port}": claim for node, claim in NODES.items()}
        for name in ("munge", "database", "state", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").chmod(0o755)
        self._write_private("munge/key", os.urandom(1024))
        common = {
            "folder": self.folder,
            "user": getpass.getuser(),
            "accounts_port": accounts_port,
        }
        self._write_private("slurmdbd.conf", ACCOUNTS_CONF.format(**common).encode())
        nodes = [
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} {claim}"
            for (node, claim), port in zip(self.nodes.items(), ports, strict=True)
        ]
        kinds = {
            kind: ",".join(node for node in self.nodes if node.startswith(kind))
            for kind in ("cpu", "gpu", "big")
        }
        self.conf.write_text(
            CONF.format(
                **common,
                **kinds,
                controller_port=controller_port,
                memory=ENFORCED if self.enforced else SAMPLED,
                nodes="\n".join(nodes),
            )
        )
        (self.folder / "gres.conf").write_text(
            f"NodeName={kinds['gpu']} Name=gpu File={GPU_FILE}\n"
        )
        if self.enforced:
            (self.folder / "cgroup.conf").write_text(CGROUP_CONF)
        try:
            self.start_munge()
            self.start_accounts()
            self.start_controller()
            for node in self.nodes:
                self.start_node(node)
            wait_for(self.all_idle, f"nodes of {self.folder} idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in [*reversed(self.nodes), "controller", "accounts", "database", "munge"]:
            self.stop(name)
        shutil.rmtree(self.folder / "database", ignore_errors=True)
        self.holder.close()
        wait_for(self._cleared, f"end of all jobs and cgroups of {self.folder}")

    def _cleared(self):
        """Kill what outlives the daemons and remove its cgroups; tell whether nothing is left."""
        left = set(self.processes())
        for folder in self.cgroups():
            # Slurm removes some itself
            with contextlib.suppress(OSError):
                left.update(map(int, (folder / "cgroup.procs").read_text().split()))
                # Slurm freezes what it is about to kill, and may not have come to let it go on
                if (folder / "freezer.state").exists():
                    (folder / "freezer.state").write_text("THAWED")
        send(signal.SIGKILL, left)
        for folder in self.cgroups():
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not left and not self.cgroups()

    def cgroups(self):
        """Return the folders of this cluster's cgroups, inner ones first."""
        return [
            Path(folder)
            for node in self.nodes
            for controller in CONTROLLERS
            # which, unlike a glob, lets them vanish meanwhile
            for folder, _, _ in os.walk(CGROUPS / controller / f"slurm_{node}", topdown=False)
        ]

    def _write_private(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)

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

    def start_accounts(self):
        """Start the accounts and their database, and enter the user."""
        folder = self.folder / "database"
        # reached through its socket alone, by whoever may enter the folder
        self.environment["MYSQL_UNIX_PORT"] = str(folder / "socket")
        self._start(
            "database",
            *("mariadbd", "--no-defaults", f"--user={getpass.getuser()}"),
            *("--skip-networking", "--skip-grant-tables"),
            *(f"--datadir={folder}", f"--socket={folder}/socket", f"--pid-file={folder}/pid"),
            # nothing of it outlives the tests
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
            *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M"),
            # slurmdbd asks for at least this much
            "--innodb-lock-wait-timeout=900",
        )
        wait_for(lambda: self.all_alive() and (folder / "socket").exists(), "socket of database")
        self._start("accounts", "slurmdbd", "-D")
        show = ("sacctmgr", "show", "cluster")
        wait_for(lambda: self.all_alive() and self._call(*show).returncode == 0, "accounts")
        for entry in (
            ("cluster", "netkin"),
            ("account", "netkin", "Cluster=netkin"),
            ("user", getpass.getuser(), "Account=netkin"),
        ):
            done = self._call("sacctmgr", "-i", "add", *entry)
            assert done.returncode == 0, f"{entry}: {done.stdout}{done.stderr}"

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
            send(signal.SIGKILL, self.processes(job))

    def processes(self, job=None):
        """Return the ids of the processes that belong to this cluster, or to one of its jobs."""
        found = []
        marks = {f"SLURM_CONF={self.conf}".encode()}
        if job is not None:
            marks.add(f"SLURM_JOB_ID={job}".encode())
        for process in Path("/proc").glob("[0-9]*"):
            try:
                inherited = marks <= set((process / "environ").read_bytes().split(b"\0"))
                if inherited or self._is_step(process, job):
                    found.append(int(process.name))
            except OSError:
                continue  # it has ended
        return [pid for pid in found if pid != os.getpid()]

    def _is_step(self, process, job):
        """Tell whether a process is Slurm's own that watches over a job of this cluster."""
        title = "slurmstepd: [" if job is None else f"slurmstepd: [{job}."
        if not (process / "cmdline").read_bytes().startswith(title.encode()):
            return False
        # its environment is overwritten by its title; another cluster has jobs of this number too
        for file in (process / "fd").iterdir():
            # it may close one meanwhile
            with contextlib.suppress(FileNotFoundError):
                if self.folder in file.readlink().parents:
                    return True
        return False

    def _call(self, *command):
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60
        )

    def ask(self, *command):
        """Return what one of Slurm's commands prints."""
        return self._call(*command).stdout

    def all_alive(self):
        """Fail if a daemon has ended."""
        for name, daemon in self.daemons.items():
            said = (self.folder / f"{name}.out").read_text()
            assert daemon.poll() is None, f"{name} has ended:\n{said}"
        return True

    def all_idle(self):
        """Tell whether all nodes are ready and without a job."""
        self.all_alive()
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


def hold_ports(n):
    """Return a socket, and so many ports of loopback that no other cluster takes until it closes.

    Daemons stop and come back to their ports, so these are below the ones that Linux gives to
    whoever asks for any.
    """
    blocks = range(10000, 32000, n + 1)
    for first in random.sample(blocks, len(blocks)):
        holder = socket.socket()
        ports = range(first + 1, first + 1 + n)
        try:
            holder.bind(("127.0.0.1", first))
            for port in ports:
                with socket.socket() as trial:
                    trial.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
        else:
            return holder, ports
    raise AssertionError(f"no {n + 1} free ports side by side")
