"""Verifies deliveries by the Python package of Standard Webhooks.

Reads a JSON list of {secret, headers, body}; prints a JSON list of verdicts: the event's id, or null.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def verdict(delivery):
    try:
        return Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"])["id"]
    except WebhookVerificationError:
        return None


json.dump([verdict(one) for one in json.load(sys.stdin)], sys.stdout)
