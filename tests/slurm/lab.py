"""A real Slurm on this machine: a controller and a few nodes, for as long as tests run.

Neither systemd nor files in /etc are needed. All of it lives in one folder, and only
what was started from there is ever stopped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ..workflow.conftest import free_ports

PROGRAMS = (
    *("munged", "mungekey", "slurmctld", "slurmd"),
    *("scontrol", "sinfo", "squeue", "sbatch", "srun", "scancel"),
)
# Where distributions keep daemons, which is not on every PATH.
SEARCHED = os.environ["PATH"] + ":/usr/sbin:/sbin"

CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# No control groups here: memory is watched by polling.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
AccountingStorageType=accounting_storage/none
# Without a data base the queue itself remembers finished jobs.
MinJobAge=7200
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Nodes may claim more than the machine has.
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
InactiveLimit=0
KillWait=2
TCPTimeout=2
JobRequeue=0
EnforcePartLimits=ALL
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=02:00:00 DefMemPerCPU=200 State=UP
"""

NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} "
    "RealMemory=6000 State=UNKNOWN"
)

# The jobs' inner srun loses SLURM_CONF to the executor's cleaning of the environment.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""

# Where no data base keeps accounts sacct always fails, and the executor turns to it as
# soon as the controller is away; on a cluster that has one it would answer.
SACCT = """\
#!/bin/sh
for last; do :; done
case "$*" in
*JobIdRaw*) exec squeue --states=all --noheader --format='%i|%T' --name "$last" ;;
esac
"""


def missing() -> str:
    """Name a program of Slurm that is not installed, or nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]
    return absent[0] if absent else ""


class Lab:
    """A cluster in a folder.

    Parameters
    ----------
    folder : Path
        Made anew; its path must be short, as sockets are below it.
    nodes : int
    cpus : int
        Processors that each node claims to have.
    """

    def __init__(self, folder: Path, nodes: int = 2, cpus: int = 1) -> None:
        self.folder = folder
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self._cpus = cpus
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder}/bin:{SEARCHED}",
        }

    def start(self) -> None:
        """Start everything and wait until all nodes are idle."""
        for name in ("state", "bin", *(f"spool-{node}" for node in self.names)):
            (self.folder / name).mkdir(parents=True)
        # munge distrusts folders that others may write to.
        self.folder.chmod(0o755)
        self._configure()
        self._call("mungekey", "--create", f"--keyfile={self.folder}/munge.key")
        self._call(
            "munged",
            f"--key-file={self.folder}/munge.key",
            f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munge.seed",
        )
        self.start_controller("-c")
        for node in self.names:
            self.start_node(node)
        _wait(self._all_idle, 30, f"the nodes of {self.folder} did not come up")

    def stop(self) -> None:
        """Stop everything that was started from this folder."""
        if self._alive("slurmctld"):
            self._call("scancel", "--me", "--full", check=False)
        for node in self.names:
            self.crash_node(node)
        for name in ("slurmctld", "munged"):
            self._end(name)

    def start_controller(self, *options: str) -> None:
        """Start the controller, with the jobs that it knew."""
        self._call("slurmctld", *options)
        _wait(
            lambda: "is UP" in self._call("scontrol", "ping", check=False),
            20,
            "the controller did not come up",
        )

    def stop_controller(self) -> None:
        """Stop the controller; jobs go on."""
        self._end("slurmctld")

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._call("slurmd", "-N", node)

    def crash_node(self, node: str) -> None:
        """Stop a node and all that runs on it at once, as if it lost power."""
        doomed = [self._process(f"slurmd-{node}")]
        # A job step's daemon carries its node's configuration and sockets.
        sockets = (self.folder / f"spool-{node}").glob(f"{node}_*")
        jobs = {path.name.removeprefix(f"{node}_").split(".")[0] for path in sockets}
        for process in Path("/proc").glob("[0-9]*"):
            title = _read(process / "cmdline")
            if any(title.startswith(f"slurmstepd: [{job}.") for job in jobs) and (
                str(self.folder) in _read(process / "environ")
            ):
                doomed.append(int(process.name))
        for process_id in [each for each in doomed if each]:
            for victim in [process_id, *_descendants(process_id)]:
                _kill(victim, signal.SIGKILL)
        (self.folder / f"slurmd-{node}.pid").unlink(missing_ok=True)

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that the controller knows, finished ones too."""
        lines = self._call(
            "squeue", "--states=all", "--noheader", "--format=%i|%T|%N|%k"
        ).splitlines()
        names = ("id", "state", "node", "comment")
        return [dict(zip(names, line.split("|"), strict=True)) for line in lines]

    def cancel(self, job: str) -> None:
        """Cancel a job."""
        self._call("scancel", job)

    def hold(self) -> None:
        """Let no job start; those that run go on."""
        self._call("scontrol", "update", "PartitionName=main", "State=DOWN")

    def release(self) -> None:
        """Let jobs start again."""
        self._call("scontrol", "update", "PartitionName=main", "State=UP")

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        ports = free_ports(1 + len(self.names))
        nodes = [
            NODE.format(name=name, host=host, port=port, cpus=self._cpus)
            for name, port in zip(self.names, ports[1:], strict=True)
        ]
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=host,
                port=ports[0],
                user=_user(),
                folder=self.folder,
                nodes="\n".join(nodes),
            )
        )
        srun = SRUN.format(folder=self.folder, srun=shutil.which("srun", path=SEARCHED))
        for name, text in (("srun", srun), ("sacct", SACCT)):
            wrapper = self.folder / "bin" / name
            wrapper.write_text(text)
            wrapper.chmod(0o755)

    def _all_idle(self) -> bool:
        shown = self._call("sinfo", "-h", "-N", "-o", "%N %t", check=False).split("\n")
        return {f"{name} idle" for name in self.names} <= set(shown)

    def _call(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}{done.stdout}")
        return done.stdout

    def _process(self, name: str) -> int:
        text = _read(self.folder / f"{name}.pid").strip()
        return int(text) if text else 0

    def _alive(self, name: str) -> bool:
        process = self._process(name)
        return bool(process) and Path(f"/proc/{process}").exists()

    def _end(self, name: str) -> None:
        process = self._process(name)
        if process and self._alive(name):
            _kill(process, signal.SIGTERM)
            _wait(lambda: not self._alive(name), 20, f"{name} did not stop")


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, _read(path).split()):
            found += [child, *_descendants(child)]
    return found


def _kill(process: int, kind: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, kind)


def _wait(condition: Callable[[], bool], seconds: float, message: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(message)
        time.sleep(0.1)
