"""What clusters do to jobs: the run goes on or says why, and the results are the same."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import RUN_SECONDS, ClusterCheckout, with_features
from tests.cluster.slurm import CGROUPS, CONTROLLERS, send, wait_for
from tests.conftest import Checkout, content, made_once, make_checkout

DIAGRAMS = [f"results/diagram/digits/seed_{seed}/all.h5" for seed in range(3)]
ONE = DIAGRAMS[:1]
VECTORS = ONE[0].replace("diagram", "vector/heat", 1)
NETWORK = "results/network/digits/width_8/seed_0.h5"
ON_A_FULL_DISK = {
    "results/dataset/digits.images.h5": (
        "logs/prepare_dataset/digits.images.log",
        "results/dataset/digits.h5",
    ),
    NETWORK: ("logs/train_network/digits/width_8/seed_0.log", NETWORK),
    ONE[0]: ("logs/compute_diagrams/digits/seed_0/all.log", ONE[0]),
}
"""Result that does not fit -> the log that says so, and what is made once there is room."""
FALLS_BACK = "Falling back to 'sacct' for status queries (MinJobAge=None"


def of_three_bundles(checkout):
    """Give a checkout three networks, each in a bundle of its own, that of its seed."""
    checkout.set("study.variants", ["width_8"])
    checkout.set("study.seeds", 3)
    return checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, cluster):
    """A checkout on the cluster, which each test leaves in order."""
    folder = tmp_path_factory.mktemp("faults") / "checkout"
    return of_three_bundles(ClusterCheckout(folder, cluster))


@pytest.fixture
def moved(checkout, tmp_path):
    """All that is there, in another folder."""
    return checkout.moved(tmp_path / "elsewhere")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same study, run without a cluster as far as these tests go."""
    with made_once(tmp_path_factory, "undisturbed_bundles") as (folder, to_make):
        if not to_make:
            return Checkout(folder)
        checkout = of_three_bundles(with_features(make_checkout(folder)))
        checkout.run(*DIAGRAMS)
    return checkout


def assert_same(checkout, undisturbed, targets):
    """Nothing is left to do, and what is there is what an undisturbed run leaves."""
    for target in targets:
        seed = Path(target).parent.name
        for path in (f"results/network/digits/width_8/{seed}.h5", target):
            assert content(checkout.folder / path) == content(undisturbed.folder / path)
    assert not list(checkout.folder.glob("results/**/.*.part*"))
    assert "Nothing to be done" in checkout.run(*targets)


def of(records, rule, seed=""):
    """Return the records of the jobs of a rule, oldest first, for one seed or all."""
    return [r for r in records if r["rule"].startswith(rule) and f"_{seed}" in r["Comment"]]


def running(cluster, known, rule, seed=""):
    """Return the first job of a rule that runs and was not there before, or None."""
    jobs = of((r for r in cluster.jobs() if r["JobId"] not in known), rule, seed)
    return next((r for r in jobs if r["JobState"] == "RUNNING"), None)


def ids(cluster):
    return {record["JobId"] for record in cluster.jobs()}


def state(cluster, job):
    return next(record["JobState"] for record in cluster.jobs() if record["JobId"] == job)


def megabytes(record):
    return int(record["tres"]["mem"].removesuffix("M"))


def minutes(record):
    hours, minutes, _ = map(int, record["TimeLimit"].split(":"))
    return 60 * hours + minutes


def end(process):
    """Kill a Snakemake that has not ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_explained(output, record, text):
    """The message names the job, what became of it, and the logs to read."""
    message = next(
        block for block in output.split("Error in rule ")[1:] if f"'{record['JobId']}'" in block
    )
    assert text in message
    assert re.search(r"log: logs/\S+\.log", message)
    assert re.search(rf"logs/slurm/\S+/{record['JobId']}\.log", message)


def assert_one_message(checkout, output, log, text):
    """One job has failed, and the message has what its log says and where that is."""
    assert text in (checkout.folder / log).read_text()
    # what follows is what the job itself printed
    message = output.split("Error in rule ")[1]
    assert log in message
    assert text in message
    assert "Traceback" not in output


def test_jobs_that_a_cluster_kills_are_sent_again(checkout, cluster, undisturbed):
    profile = checkout.folder / "slurm/config.yaml"
    plain = profile.read_text()
    settings = yaml.safe_load(plain)
    rules = settings["set-resources"]
    # the first attempts of two jobs get too little
    short = "1 if wildcards.member.endswith('seed_1') and attempt == 1 else 20"
    rules["train_network"]["runtime"] = short
    # less than Snakemake itself takes
    small = "50 if 'seed_2' in wildcards.bundle and attempt == 1 else 1000"
    rules["compute_diagrams"]["mem_mb"] = small
    profile.write_text(yaml.safe_dump(settings))
    known = ids(cluster)
    dead = []

    def kill_node(record):
        dead.append(record["NodeList"])
        cluster.kill_node(record["NodeList"])

    def restart_controller(record):
        cluster.stop("controller")
        # Slurm's commands try for 9 s; a longer outage has a test of its own
        time.sleep(4)
        cluster.start_controller()

    faults = {
        ("extract_features", ""): restart_controller,
        ("train_network", "seed_0"): kill_node,
        ("train_network", "seed_1"): lambda record: freeze(cluster, record["JobId"]),
        ("train_network", "seed_2"): lambda record: cluster.ask("scancel", record["JobId"]),
        ("compute_diagrams", "seed_0"): kill_node,
    }

    def step():
        for (rule, seed), fault in list(faults.items()):
            record = running(cluster, known, rule, seed)
            if record is not None:
                del faults[rule, seed]
                fault(record)
        return process.poll() is not None

    process = checkout.start(*DIAGRAMS)
    try:
        wait_for(step, "end of the run", RUN_SECONDS)
    finally:
        end(process)
        for node in dead:
            cluster.start_node(node)
        profile.write_text(plain)
    output = checkout.said.read_text()
    assert process.returncode == 0, output
    assert not faults
    records = [r for r in cluster.jobs() if r["JobId"] not in known]
    expected = {
        ("train_network", "seed_0"): ["NODE_FAIL"],
        ("train_network", "seed_1"): ["TIMEOUT"],
        ("train_network", "seed_2"): ["CANCELLED"],
        ("compute_diagrams", "seed_0"): ["NODE_FAIL"],
        ("compute_diagrams", "seed_1"): [],
        ("compute_diagrams", "seed_2"): [cluster.over_memory],
    }
    found = {key: [r["JobState"] for r in of(records, *key)] for key in expected}
    assert found == {key: [*states, "COMPLETED"] for key, states in expected.items()}
    for key, states in expected.items():
        for state in states:
            assert_explained(output, of(records, *key)[0], f"SLURM status is: '{state}'")
    # as the rules compute it
    first, second = of(records, "train_network", "seed_0")
    assert megabytes(second) == 2 * megabytes(first)
    first, second = of(records, "compute_diagrams", "seed_0")
    assert minutes(second) == 2 * minutes(first)
    too_little, enough = of(records, "compute_diagrams", "seed_2")
    assert (too_little["tres"]["mem"], enough["tres"]["mem"]) == ("50M", "1000M")
    assert too_little["Partition"] == "bigmem"
    folder = checkout.folder / "logs/slurm/rule_compute_diagrams/digits_seed_2_all"
    log = folder / f"{too_little['JobId']}.log"
    assert re.search("memory limit|oom|kill", log.read_text(), re.IGNORECASE)
    checkout.run(*DIAGRAMS)
    assert_same(checkout, undisturbed, DIAGRAMS)


def test_a_killed_job_of_all_networks_begins_anew(moved, cluster, undisturbed):
    shutil.rmtree(moved.folder / "results/network", ignore_errors=True)
    moved.set("network.together", 1)
    known = ids(cluster)
    killed = []

    def step():
        record = None if killed else running(cluster, known, "train_networks")
        if record is not None:
            killed.append(record["JobId"])
            cluster.ask("scancel", record["JobId"])
        return process.poll() is not None

    process = moved.start(*DIAGRAMS)
    try:
        wait_for(step, "end of the run", RUN_SECONDS)
    finally:
        end(process)
    assert process.returncode == 0, moved.said.read_text()
    records = [r for r in cluster.jobs() if r["JobId"] not in known]
    states = [record["JobState"] for record in of(records, "train_networks")]
    assert states == ["CANCELLED", "COMPLETED"]
    # what is taken from the folder is taken where Snakemake runs
    assert not of(records, "take_network")
    assert not list(moved.folder.glob("results/network/*.together"))
    assert_same(moved, undisturbed, DIAGRAMS)


def test_memory_is_limited_where_it_can_be(cluster):
    if not cluster.enforced:
        text = "no cgroups of version 1 can be made here: memory is sampled instead of limited"
        there = all((CGROUPS / name / "cgroup.procs").exists() for name in CONTROLLERS)
        must = os.environ.get("CI") and os.getuid() == 0 and there
        pytest.fail(text) if must else pytest.skip(text)


def test_while_the_controller_is_away_snakemake_asks_the_accounts(checkout, cluster, undisturbed):
    checkout.run(VECTORS)
    for target in (*ONE, VECTORS):
        (checkout.folder / target).unlink()
    log = checkout.folder / "logs/compute_diagrams/digits/seed_0/all.log"
    log.unlink()
    known = ids(cluster)
    process = checkout.start(VECTORS)
    frozen = set()
    try:
        # a job whose step has not begun would fail, and be sent again
        wait_for(log.exists, "step of the first job", RUN_SECONDS)
        # and should it end now, the next one would
        frozen = freeze(cluster, running(cluster, known, "compute_diagrams")["JobId"])
        cluster.stop("controller")
        # Slurm's commands try for 9 s
        time.sleep(15)
        wait_for(lambda: FALLS_BACK in checkout.said.read_text(), "fall-back", RUN_SECONDS)
        cluster.start_controller()
        wait_for(cluster.jobs, "answer of the controller")
        send(signal.SIGCONT, frozen)
        process.wait(RUN_SECONDS)
    finally:
        end(process)
        send(signal.SIGCONT, frozen)
        if "controller" not in cluster.daemons:
            cluster.start_controller()
    assert process.returncode == 0, checkout.said.read_text()
    records = [r for r in cluster.jobs() if r["JobId"] not in known]
    assert [(r["rule"], r["JobState"]) for r in records] == [
        ("compute_diagrams", "COMPLETED"),
        ("vectorise_diagrams", "COMPLETED"),
    ]
    assert_same(checkout, undisturbed, ONE)


def freeze(cluster, job):
    """Let a job hang, as on a file system that does not answer; return its processes."""
    frozen = set()

    def stop():
        tasks = {pid for pid in cluster.processes(job) if is_task(pid)} - frozen
        send(signal.SIGSTOP, tasks)
        frozen.update(tasks)
        # until none has begun another one meanwhile
        return frozen and not tasks

    # Slurm calls a job running before its script is
    wait_for(stop, f"processes of job {job}")
    return frozen


def is_task(pid):
    """Tell whether a process of a job is its own, and not Slurm's that watches over it."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"slurmstepd")
    except OSError:
        return False  # it has ended


def test_an_interrupted_and_a_killed_snakemake_are_taken_up_again(checkout, cluster, undisturbed):
    (checkout.folder / ONE[0]).unlink(missing_ok=True)
    known = ids(cluster)
    process = checkout.start(*ONE)
    try:
        job = wait_for(lambda: running(cluster, known, ""), "a job", RUN_SECONDS)["JobId"]
        process.send_signal(signal.SIGINT)
        process.wait(RUN_SECONDS)
    finally:
        end(process)
    wait_for(lambda: state(cluster, job) != "COMPLETING", "end of the job")
    assert state(cluster, job) == "CANCELLED"
    known = ids(cluster)
    process = checkout.start(*ONE)
    try:
        wait_for(lambda: running(cluster, known, ""), "a job", RUN_SECONDS)
    finally:
        end(process)
    output = checkout.run(*ONE, check=False)
    assert "--unlock" in output
    checkout.run("--unlock")
    # its job may still run: both write the same file, each at once
    checkout.run(*ONE)
    wait_for(cluster.all_idle, "end of the orphan", RUN_SECONDS)
    assert_same(checkout, undisturbed, ONE)


def test_a_job_killed_after_an_edit_leaves_all_that_follows_to_do(
    checkout, cluster, undisturbed, tmp_path
):
    checkout.run(VECTORS)
    moved = checkout.moved(tmp_path / "moved")
    known = ids(cluster)
    moved.set("graph.zeta", 1.0e-3)
    process = moved.start(VECTORS, "--retries", "0")
    try:
        job = wait_for(lambda: running(cluster, known, "compute_diagrams"), "a job", RUN_SECONDS)
        cluster.ask("scancel", job["JobId"])
        process.wait(RUN_SECONDS)
    finally:
        end(process)
    assert process.returncode
    assert moved.planned(VECTORS) == {"compute_diagrams": 1, "vectorise_diagrams": 1}
    moved.run(VECTORS)
    # the same edit where nothing is disturbed, and without a cluster
    local = Checkout(Path(shutil.copytree(undisturbed.folder, tmp_path / "local")))
    local.set("graph.zeta", 1.0e-3)
    local.run(VECTORS)
    assert content(moved.folder / VECTORS) == content(local.folder / VECTORS)
    assert "Nothing to be done" in moved.run(VECTORS)


def test_a_truncated_result_is_named_and_made_anew(checkout, undisturbed):
    checkout.run(VECTORS)
    diagrams = checkout.folder / ONE[0]
    diagrams.write_bytes(diagrams.read_bytes()[:100])
    (checkout.folder / VECTORS).unlink()
    output = checkout.run(VECTORS, "--retries", "0", check=False)
    sentence = "diagram/digits/seed_0/all.h5: damaged, it has"
    log = "logs/vectorise_diagrams/heat/digits/seed_0/all.log"
    assert_one_message(checkout, output, log, sentence)
    diagrams.unlink()
    checkout.run(VECTORS)
    assert_same(checkout, undisturbed, ONE)


def test_a_full_disk_is_one_sentence_and_no_result(tmp_path, cluster, undisturbed):
    checkout = of_three_bundles(ClusterCheckout(tmp_path / "checkout", cluster))
    folder = checkout.folder / "results"
    folder.mkdir()
    mount(folder, "size=16k")
    try:
        for target, (log, once_there_is_room) in ON_A_FULL_DISK.items():
            output = checkout.run(target, "--retries", "0", check=False)
            assert_one_message(checkout, output, log, "no space left on device")
            path = checkout.folder / target
            # nor is there half of one
            assert not list(path.parent.glob(f"*{path.stem}*{path.suffix}"))
            mount(folder, "remount,size=64m")
            checkout.run(once_there_is_room)
            assert content(path) == content(undisturbed.folder / target)
            mount(folder, f"remount,size={used(folder) + 8192}")
    finally:
        subprocess.run(["umount", folder], check=True)


def used(folder):
    """Return the bytes that are in use on a file system."""
    disk = os.statvfs(folder)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def mount(folder, options):
    """Mount a small file system in memory."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        text = f"no file system of a test's own: {done.stderr.strip()}"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
