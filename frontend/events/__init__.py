"""Following jobs as they change, instead of asking again and again (docs/decisions/events.md)."""
