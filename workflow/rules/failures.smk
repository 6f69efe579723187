# What a run says of jobs that failed: their own words, where they have some.
import time

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.common import LogEvent

from summands.files import job as jobs


class Reasons(logging.Filter):
    """Puts what jobs say of their failure in the place of Snakemake's words on it.

    On the screen alone: the log of the run, in .snakemake/log, has everything.
    """

    def __init__(self):
        super().__init__()
        self.told = []
        self.since = time.time()
        # Jobs failed that said nothing, so Snakemake's words are all there is.
        self.more = False
        # Whether something else was printed since the last reason.
        self.buried = False

    def filter(self, record):
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_ERROR:
            reason = jobs.reason(record.log, self.since)
            if reason is not None:
                self.told.append(reason)
                self.buried = False
                line = {"msg": f"summands: {reason}", "levelno": logging.ERROR}
                return logging.makeLogRecord(line | {"levelname": "ERROR"})
            self.more = True
        elif event is LogEvent.GROUP_ERROR:
            self.more = True
        elif event is LogEvent.ERROR and f"exit status {jobs.REFUSED}" in record.msg:
            return False
        elif not self.more and str(record.msg).startswith(LAST_WORDS):
            return False
        self.buried = True
        return True

    def repeat(self):
        """End the run with what jobs said."""
        reasons = dict.fromkeys(self.told)
        if self.buried or len(reasons) > 1:
            for reason in reasons:
                print(f"summands: {reason}", file=sys.stderr, flush=True)
        if self.told and not self.more:
            # Nothing is left to say but that something failed.
            logging.disable()


# Of Snakemake, once all jobs have ended.
LAST_WORDS = "Exiting because a job execution failed"
REASONS = Reasons()
for handler in logger.handlers:
    if isinstance(handler, ColorizingTextHandler):
        # The first: what is quiet about jobs is not so about the reasons.
        handler.filters.insert(0, REASONS)
