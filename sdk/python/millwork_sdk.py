"""Millwork's SDK for connectors in Python: what an author writes, made into what the contract wants.

An author writes functions, and says with `@action` what they are::

    connector = Connector(name="hello", version="0.1.0", description="Says hello.")

    @connector.action(config_schema={...}, output_schema={...})
    def greet(config, context):
        return {"text": f"Hello, {config['name']}!"}

    Plugin = connector.export()
"""

import json
import traceback

from componentize_py_types import Err
from wit_world.imports import types as wit


class Failure(Exception):
    """Why an invocation did not work. What else is raised is a permanent failure with the code `exception`."""

    def __init__(self, code, message, kind="permanent", after_ms=None, details=None):
        super().__init__(message)
        self.code, self.kind, self.after_ms, self.details = code, kind, after_ms, details


def retryable(code, message, details=None):
    """Another attempt may work."""
    return Failure(code, message, "retryable", details=details)


def permanent(code, message, details=None):
    """Another attempt would fail the same way."""
    return Failure(code, message, "permanent", details=details)


def rate_limited(message, after_ms=None):
    """Another attempt may work, after this long."""
    return Failure("rate-limited", message, "rate-limited", after_ms)


class Suspension:
    """To be continued. Nothing stays in memory meanwhile."""

    def __init__(self, until):
        self._until, self._state, self._then = until, b"", wit.Then_CallAgain()

    def state(self, value):
        """What comes back as `context.resumed["state"]`: anything that JSON can hold."""
        self._state = json.dumps(value).encode()
        return self

    def then_complete(self, output):
        """Completes the step with this output when the time comes, without another call."""
        self._then = wit.Then_Complete(json.dumps(output))
        return self

    def to_wit(self):
        return wit.Outcome_Suspended(wit.Suspension(self._until, self._state, self._then))


def suspend_for(seconds):
    """Waits for a span of time."""
    return Suspension(wit.Until_After(int(seconds * 1000)))


def wait_for_signal(name, timeout=None):
    """Waits for a named signal to the run; for ever, or for so many seconds."""
    millis = None if timeout is None else int(timeout * 1000)
    return Suspension(wit.Until_Signal(wit.SignalWait(name, millis)))


class Context:
    """Where and for whom an action runs."""

    def __init__(self, context):
        self.run_id, self.workflow, self.step = context.run_id, context.workflow, context.step
        self.iteration, self.attempt = context.iteration, context.attempt
        self.idempotency_key = context.idempotency_key
        self.resumed = None
        if context.resumed is not None:
            cause = context.resumed.cause
            signal = None
            if isinstance(cause, wit.Wake_Signal):
                signal = {"name": cause.value.name, "payload": json.loads(cause.value.payload)}
            state = json.loads(context.resumed.state) if context.resumed.state else None
            self.resumed = {"signal": signal, "state": state}


class Connector:
    """A connector: what it is, and what it can do."""

    def __init__(self, name, version, description="", asks=()):
        self.name, self.version, self.description, self.asks = name, version, description, asks
        self._actions = {}

    def action(self, config_schema, output_schema=True, title="", examples=(), validate=None, read_only=False,
               idempotent=False, destructive=False, timeout_ms=None, max_attempts=None):
        """Makes a function an action of its name. Its docstring is the description."""

        def register(function):
            traits = wit.ActionTraits(0)
            for wanted, flag in ((read_only, "READ_ONLY"), (idempotent, "IDEMPOTENT"), (destructive, "DESTRUCTIVE")):
                if wanted:
                    traits |= getattr(wit.ActionTraits, flag)
            described = wit.Action(
                name=function.__name__.replace("_", "-"),
                title=title,
                description=(function.__doc__ or "").strip(),
                config_schema=json.dumps(config_schema),
                output_schema=json.dumps(output_schema),
                examples=[wit.Example(text, json.dumps(config)) for text, config in examples],
                traits=traits,
                timeout=timeout_ms,
                max_attempts=max_attempts,
                annotations=[],
            )
            self._actions[described.name] = (described, function, validate)
            return function

        return register

    def export(self):
        """What the component exports, under the name `Plugin`."""
        connector = self

        class Plugin:
            def describe(self):
                return wit.Manifest(
                    name=connector.name,
                    version=connector.version,
                    description=connector.description,
                    actions=[described for described, _, _ in connector._actions.values()],
                    asks=[_ask(ask) for ask in connector.asks],
                    annotations=[],
                )

            def validate(self, action, config):
                _, _, validate = connector._actions.get(action, (None, None, None))
                problems = validate(json.loads(config)) if validate else []
                return [wit.FieldError(path, message) for path, message in problems]

            def invoke(self, context, action, config):
                try:
                    if action not in connector._actions:
                        raise permanent("unknown-action", f"there is no action {action}")
                    _, function, _ = connector._actions[action]
                    outcome = function(json.loads(config), Context(context))
                except Failure as failure:
                    raise Err(_failure(failure)) from None
                except Exception as error:
                    last = traceback.format_exc(limit=-1).strip()
                    raise Err(_failure(Failure("exception", str(error), details={"trace": last}))) from None
                if isinstance(outcome, Suspension):
                    return outcome.to_wit()
                return wit.Outcome_Completed(json.dumps(outcome))

        return Plugin


def _ask(ask):
    if ask == "kv":
        return wit.Ask_Kv()
    kind, value = ask
    return wit.Ask_Http(value) if kind == "http" else wit.Ask_Secret(value)


def _failure(failure):
    kinds = {
        "retryable": wit.FailureKind_Retryable,
        "permanent": wit.FailureKind_Permanent,
        "timeout": wit.FailureKind_Timeout,
        "other": wit.FailureKind_Other,
    }
    if failure.kind == "rate-limited":
        kind = wit.FailureKind_RateLimited(failure.after_ms)
    else:
        kind = kinds[failure.kind]()
    details = None if failure.details is None else json.dumps(failure.details)
    return wit.Failure(kind, failure.code, str(failure), details)
