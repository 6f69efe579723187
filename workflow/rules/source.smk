# Whose this workflow is and where its files are, for what does not go through Snakemake.
import sys
from pathlib import Path

from snakemake.sourcecache import HostingProviderFile

# Name that a workflow around this one has for it, None if it runs by itself.
MODULE = workflow.modifier.namespace


def refuse(reason):
    """End with a message for the user, and without Snakemake's words around it."""
    of_module = "" if MODULE is None else f"module {MODULE}: "
    sys.exit(f"summands: {of_module}{reason}")


def source_folder():
    """Folder of this workflow.

    Where a workflow around this one reads it from a code host there is none: Snakemake
    takes files from there one by one, as they are asked for. So all that are needed are
    asked for, which puts them where it looks for the scripts.
    """
    rules = workflow.current_basedir
    if not isinstance(rules, HostingProviderFile):
        return Path(rules.get_path_or_uri(secret_free=True)).parents[1]
    for item in rules.hosted_repo.repo.commit(rules.ref).tree.traverse():
        if item.type == "blob" and item.path.startswith(
            ("scripts/", "workflow/schemas/")
        ):
            workflow.sourcecache.get_path(rules.join(f"../../{item.path}"))
    project = rules.join("../../pyproject.toml")
    return Path(workflow.sourcecache.get_path(project)).parent


SOURCE = source_folder()
# Last: names of scripts must not hide the packages of a workflow around this one.
sys.path.append(str(SOURCE / "scripts"))

try:
    import summands.files.storage
    import summands.study.study
except ModuleNotFoundError as error:
    refuse(
        f"{sys.executable}, which runs Snakemake, has no package {error.name}: start it "
        "in an environment with those of envs/summands.yaml, or as `make env` makes it"
    )
