"""moto as DynamoDB, SQS and Step Functions for functions that are served elsewhere.

usage: moto_server.py PORT LAMBDA_URL

moto 5.2.5 lacks what the functions below mend, each for one reason. Drop one when moto has it: the
suites then pass without it.
"""

import json
import sys
import threading

import boto3
import jsonata
from botocore.config import Config
from moto.core.responses import EmptyResult
from moto.dynamodb.responses import DynamoHandler
from moto.server import main
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import (
    ErrorEqualsDecl,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    HeartbeatTimedOut,
    HeartbeatTimeoutError,
)
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.jsonata import validations
from moto.stepfunctions.responses import StepFunctionResponse

HEARTBEAT_TIMEOUT = StatesErrorName(typ=StatesErrorNameType.StatesHeartbeatTimeout)
TIMEOUT = StatesErrorName(typ=StatesErrorNameType.StatesTimeout)


def evaluate_jsonata():
    """moto has no evaluator of JSONata expressions, only the place for one."""

    def evaluate(expression):
        return jsonata.Jsonata.jsonata(expression).evaluate(None)

    for module in (string_expression, validations, moto_jsonata):
        module.eval_jsonata_expression = evaluate


def invoke_elsewhere(lambda_url):
    """moto runs functions in containers of its own."""

    def client(region=None, service=None, state_credentials=None):
        return boto3.client(
            service,
            endpoint_url=lambda_url,
            region_name=region,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            # One attempt: the state's Retry decides.
            config=Config(
                retries={"total_max_attempts": 1}, read_timeout=900, max_pool_connections=50
            ),
        )

    lambda_eval_utils.boto_client_for = client


def quote_strings():
    """Strings bound to variables are not escaped: JSON within one is a syntax error."""

    def declare(bindings):
        return "".join(
            f"{name}:={json.dumps(value) if isinstance(value, str) else moto_jsonata.to_json_str(value)};"
            for name, value in bindings.items()
        )

    states.encode_jsonata_variable_declarations = declare
    variable_store.encode_jsonata_variable_declarations = declare


def notice_early_outcomes():
    """An outcome that comes while the function still runs is seen at the next heartbeat only."""

    def wait(self, env, callback_endpoint, heartbeat_endpoint):
        while env.is_running():
            outcome = callback_endpoint.get_outcome()
            if outcome is not None:
                return outcome
            if not heartbeat_endpoint.clear_and_wait() and env.is_running():
                late = callback_endpoint.get_outcome()
                return late or HeartbeatTimedOut()
        return None

    StateTaskServiceCallback._wait_for_task_token_heartbeat = wait


def match_heartbeat_timeouts():
    """Retry and Catch never match States.HeartbeatTimeout, and States.Timeout does not cover it."""
    event_of = StateTaskServiceCallback._from_error
    match = ErrorEqualsDecl._eval_body

    def from_error(self, env, ex):
        event = event_of(self, env, ex=ex)
        if isinstance(ex, HeartbeatTimeoutError):
            event.error_name = HEARTBEAT_TIMEOUT
        return event

    def eval_body(self, env):
        if env.stack[-1] == HEARTBEAT_TIMEOUT and TIMEOUT in self.error_names:
            env.stack[-1] = TIMEOUT
        match(self, env)

    StateTaskServiceCallback._from_error = from_error
    ErrorEqualsDecl._eval_body = eval_body


def lock_tables():
    """A cancelled transaction puts the whole table back as it was, with the writes of others."""
    lock = threading.RLock()
    call = DynamoHandler.call_action

    def call_alone(self):
        with lock:
            return call(self)

    DynamoHandler.call_action = call_alone


def keep_causes():
    """SendTaskFailure loses its cause."""

    def send_task_failure(self):
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return EmptyResult()

    StepFunctionResponse.send_task_failure = send_task_failure


if __name__ == "__main__":
    port, lambda_url = sys.argv[1:]
    evaluate_jsonata()
    invoke_elsewhere(lambda_url)
    quote_strings()
    notice_early_outcomes()
    match_heartbeat_timeouts()
    lock_tables()
    keep_causes()
    main(["-H", "127.0.0.1", "-p", port])
