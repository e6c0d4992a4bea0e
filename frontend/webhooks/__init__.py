"""Tells receivers of jobs' ends: each delivery is a job of its own in Redis (docs/decisions/webhooks.md)."""
