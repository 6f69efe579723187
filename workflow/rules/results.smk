# Files of the results that are read and written outside of jobs. They are on disk or, by
# Snakemake's settings alone, in a storage such as a bucket.
import tempfile
from base64 import urlsafe_b64encode

import yaml
from snakemake.common import async_run
from snakemake.io import get_flag_value

from summands.files.storage import DamagedFileError, keep_journal, reading, whole

PLAN_FILE = "plan.json"
# What an observed table held when it was hashed, so that it is not hashed at every start.
TABLE_FILE = "table.json"


def stored(name):
    """A file of the results as an object of the run's storage, None if that is the disk."""
    place = PATHS.apply_default_storage(f"{FOLDER}/{name}")
    return get_flag_value(place, "storage_object")


def read_result(name):
    """Text of a file of the results, None if there is no such file."""
    remote = stored(name)
    if remote is None:
        path = Path(FOLDER, name)
        return path.read_text(encoding="utf-8") if path.is_file() else None
    if not async_run(remote.managed_exists()):
        return None
    with tempfile.TemporaryDirectory() as folder:
        remote.set_local_path(Path(folder, name))
        async_run(remote.managed_retrieve())
        return remote.local_path().read_text(encoding="utf-8")


def write_result(name, text):
    """Write a file of the results, whole or not at all."""
    remote = stored(name)
    if remote is None:
        keep_journal(FOLDER)
        with whole(Path(FOLDER, name)) as path:
            path.write_text(text, encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as folder:
        remote.set_local_path(Path(folder, name))
        remote.local_path().write_text(text, encoding="utf-8")
        async_run(remote.managed_store())


def remove_result(name):
    """Remove a file of the results, if there is one."""
    remote = stored(name)
    if remote is None:
        Path(FOLDER, name).unlink(missing_ok=True)
    elif async_run(remote.managed_exists()):
        async_run(remote.managed_remove())


def earlier_plan():
    """Units that there are from earlier runs, and what their packs hold."""
    try:
        with reading(f"{FOLDER}/{PLAN_FILE}"):
            units, packs = plan.read(read_result(PLAN_FILE))
    except DamagedFileError as error:
        refuse(error)
    if stored(PLAN_FILE) is None:
        # A unit that was planned and never made can still be cut in another way. Not
        # every storage can tell which those are.
        units = plan.on_disk(Path(FOLDER, "simulated"))
    return units, packs


def recorded(name):
    """Whether this folder has Snakemake's notes on how a file of the results was made."""
    remote = stored(name)
    key = f"{FOLDER}/{name}" if remote is None else remote.query
    file = urlsafe_b64encode(key.encode()).decode()
    # As Snakemake files them: names of files end at 255 bytes.
    *folders, file = [file[start : start + 254] for start in range(0, len(file), 254)]
    return Path(".snakemake/metadata", *(f"@{part}" for part in folders), file).exists()


def check_records():
    """Refuse to take results of another study file for those of this one.

    Without Snakemake's notes, which stay in the folder that a run was started in, it
    would see files that are there and not that they were made from something else.
    """
    made = read_result("study.yaml")
    if made is None or recorded("study.yaml"):
        return
    if yaml.safe_load(made) != STUDY.resolved:
        refuse(
            f"{FOLDER} was made by another study file, and started in another folder, "
            "which has the notes on how: run this study there, copy .snakemake/metadata "
            "from there to here, or give the study a name of its own"
        )


if workflow.is_main_process:
    check_records()
