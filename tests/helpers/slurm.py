"""A Slurm of one node, for as long as a test needs it: munge, controller and node daemon.

It listens on the loopback interface only and keeps all of its state in one folder. Slurm's tools
look for its configuration in /etc/slurm, so that this needs root, and a machine without a Slurm of
its own.
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers import processes

#: Of the daemons, and of those that they start: slurmstepd.
MARK = f"DROPNET_SLURM={uuid.uuid4()}"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
ETC = Path("/etc/slurm")
PLACE = "pytest-of-"  # part of the path of every folder that tests work in
CONTROLLER_PORT, NODE_PORT = 26917, 26918
CORES, MEMORY_MB, GPUS = 4, 16000, 2  # as Slurm believes

CONFIG = """
ClusterName=dropnet-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# a job that is queued again waits until its first credential has expired: not for two minutes here
AuthInfo=cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
MpiDefault=none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ReturnToService=2
MinJobAge=600
KillWait=3
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} Boards=1 SocketsPerBoard=1 CoresPerSocket={cores} \
ThreadsPerCore=1 RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} Default=NO MaxTime=INFINITE State=UP
"""


def why_not():
    """Why it cannot be started here, or ''."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"no {', '.join(absent)}: install slurm-wlm and munge"
    if os.geteuid() != 0:
        return "only root can start Slurm's daemons"
    file = ETC / "slurm.conf"
    if file.exists() and PLACE not in str(file.resolve()):  # not one that a killed test left
        return f"{file} is there: this machine has a Slurm of its own"
    return ""


@contextmanager
def running(folder):
    """Start it in a folder; yields when the node takes jobs, and ends all of it afterwards."""
    folder = Path(folder)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    files = write_config(folder)
    daemons = []
    try:
        daemons.append(start_munge(folder))
        for name, *words in (["slurmctld", "-c"], ["slurmd", "-c", "-N", socket.gethostname()]):
            log = (folder / f"{name}.out").open("w")
            command = [shutil.which(name), "-D", *words]
            daemons.append(processes.start_service(command, MARK, stdout=log, stderr=log))
        wait_until_idle(folder)
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            cancel_all()
        for daemon in reversed(daemons):
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()
            daemon.wait()
        processes.end_marked(MARK)
        # a job may have begun, or begun again, after its test had ended
        processes.end_marked(processes.MARK)
        for file in files:
            file.unlink(missing_ok=True)


def write_config(folder):
    """Write Slurm's files, and link them to where its tools look for them."""
    host = socket.gethostname()
    text = CONFIG.format(
        host=host, folder=folder, cores=CORES, memory=MEMORY_MB, gpus=GPUS,
        controller_port=CONTROLLER_PORT, node_port=NODE_PORT,
    )  # fmt: skip
    texts = {
        "slurm.conf": text,
        # any character device will do for a GPU that nobody computes on
        "gres.conf": f"NodeName={host} Name=gpu Count={GPUS} File=/dev/tty[1-{GPUS}]\n",
        "cgroup.conf": "CgroupAutomount=no\n",
    }
    ETC.mkdir(exist_ok=True)
    links = []
    for name, content in texts.items():
        (folder / name).write_text(content)
        (ETC / name).unlink(missing_ok=True)
        (ETC / name).symlink_to(folder / name)
        links.append(ETC / name)
    return links


def start_munge(folder):
    """Start munged with a key of its own; its socket is where Slurm's plugin looks for it."""
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    socket_path = Path("/run/munge/munge.socket.2")
    socket_path.parent.mkdir(mode=0o755, exist_ok=True)
    files = {"key-file": key, "socket": socket_path, "pid-file": folder / "munged.pid"}
    files |= {"log-file": folder / "munged.log", "seed-file": folder / "munged.seed"}
    options = [f"--{name}={path}" for name, path in files.items()]
    log = (folder / "munged.out").open("w")
    command = [shutil.which("munged"), "--foreground", "--force", *options]
    return processes.start_service(command, MARK, stdout=log, stderr=log)


def wait_until_idle(folder, seconds=60):
    """Wait until the node takes jobs."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        with suppress(subprocess.TimeoutExpired):
            if ask("sinfo", "--noheader", "--format=%T").split() in (["idle"], ["idle", "idle"]):
                return
        time.sleep(0.3)
    logs = "".join(path.read_text() for path in folder.glob("*.log"))
    raise AssertionError(f"Slurm did not come up:\n{logs[-3000:]}")


def cancel_all(seconds=15):
    """Cancel all jobs, and wait until Slurm has ended them."""
    ask("scancel", "--user=root")
    give_up = time.monotonic() + seconds
    while ask("squeue", "--noheader").strip() and time.monotonic() < give_up:
        time.sleep(0.2)


def ask(*command):
    """The output of one of Slurm's commands."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout
