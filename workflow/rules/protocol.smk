# Which protocol of the study was there when its runs began.
import json

from summands.study import asked, protocols


def began():
    """Whether the study has data of earlier runs."""
    if stored(protocols.RUNS) is None:
        return protocols.has_data(Path(FOLDER))
    return read_result(PLAN_FILE if STUDY.observed is None else TABLE_FILE) is not None


def protocol_state():
    """Versions of the protocol, and the list of runs, this one the last."""
    now = asked.digest(asked.content(STUDY))
    try:
        # On this machine, where it was written, whatever the storage of the results.
        versions = protocols.read(Path(FOLDER))
        with reading(f"{FOLDER}/{protocols.RUNS}"):
            earlier = read_result(protocols.RUNS)
            return versions, protocols.runs(earlier, versions, now, begun=began())
    except DamagedFileError as error:
        refuse(error)


# At once: Snakemake asks for parameters while it is at work, when no storage can be read.
PROTOCOLS, RUNS = protocol_state()


def protocols_told(wildcards):
    """What the page tells of protocols: nothing that a run without changes changes."""
    return protocols.Told(tuple(PROTOCOLS), RUNS[0]["protocol"]).plain


def record_run():
    """Put down what this run asks, and which protocol there is."""
    text = json.dumps({"runs": RUNS}, indent=2) + "\n"
    if text != read_result(protocols.RUNS):
        write_result(protocols.RUNS, text)
