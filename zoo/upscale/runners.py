"""Apache Beam's runners by their names and flags, and several processes here that a command can be stopped with."""

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from zoo.errors import UsageError


class LocalRunner(FnApiRunner):
    """Beam's direct runner, as the one that takes `--direct_num_workers` and `--direct_running_mode`.

    Under the name DirectRunner Beam first downloads and tries another one, which knows neither flag.
    """

    def __init__(self, options: PipelineOptions):
        told = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=told)
        super().__init__(provision_info=ExtendedProvisionInfo(provision))

    def run_via_runner_api(self, pipeline_proto, options: PipelineOptions):
        for environment in pipeline_proto.components.environments.values():
            if environment.urn == python_urns.SUBPROCESS_SDK:
                # Ctrl-C in a terminal, or a scheduler's SIGTERM, reaches the processes too; the command tells them.
                environment.payload = b"trap '' INT TERM; exec " + environment.payload
        return super().run_via_runner_api(pipeline_proto, options)


def pipeline(runner: str, flags: list[str]) -> beam.Pipeline:
    """An empty pipeline for a runner with its flags.

    Raises:
        UsageError: one that Beam does not know, or flags that it refuses.
    """
    # A runner's processes else tell of every step they take.
    flags = [f"--runner={runner}", "--default_sdk_harness_log_level=ERROR", *flags]
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            options = PipelineOptions(flags)
            known = options.get_all_options()
            unknown = options.get_all_options(retain_unknown_options=True).keys() - known.keys()
            name = runner.lower().removesuffix("runner")
            # Other runners may know more than Beam's Python does.
            if unknown and f"{name}runner" in map(str.lower, StandardOptions.LOCAL_RUNNERS):
                raise UsageError(f"Expected flags that {runner} knows. Received: --{', --'.join(sorted(unknown))}")
            local = LocalRunner(options) if name in ("direct", "fnapi") else None
            return beam.Pipeline(runner=local, options=options)
    except UsageError:
        raise
    except SystemExit as error:
        reason = complaints.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise UsageError(f"Expected flags that {runner} knows. Received: {reason}") from error
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"Expected a runner that Beam knows. Received: --runner={runner}: {error}") from error


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Ends the command when a process that it started dies, as when memory runs out: Beam would wait for ever."""
    previous = threading.excepthook

    def note(failure) -> None:
        if not str(failure.exc_value).startswith("Worker subprocess exited"):
            previous(failure)
            return
        sentence = f"Expected every process to last. Received: {failure.exc_value}; the same command goes on"
        print(f"error: {sentence}", file=sys.stderr, flush=True)
        # Neither Beam's threads nor the other processes would end by themselves; those end with this one.
        os._exit(2)

    threading.excepthook = note
    try:
        yield
    finally:
        threading.excepthook = previous
