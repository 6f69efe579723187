"""Check a study file before anything else starts, and tell the study's name."""

import sys
from pathlib import Path

from summands.study.study import StudyError, read

if __name__ == "__main__":
    try:
        (named,) = sys.argv[1:]
        if not named:
            raise StudyError("no study file is named: give STUDY=file.yaml")
        print(read(Path(named)).name)
    except StudyError as refusal:
        sys.exit(f"summands: {refusal}")
