"""A workflow whose first task ends the process: how long `python script.py` takes to get there."""

from __future__ import annotations

import os

from penstock import Task, WorkflowManager

manager = WorkflowManager()
manager.add_task(Task("first", lambda: os._exit(0)))
manager.run()
