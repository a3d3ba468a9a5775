"""Notifiers that come with Penstock: webhook, e-mail, and whatever apprise reaches."""
