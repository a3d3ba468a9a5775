"""The tutorial's programme: three functions, each after the one it depends on.

The functions pass data through files, as scripts do, so they work just as well when each runs in a process of its own.
"""

import csv
import json
from pathlib import Path

from penstock import Task, WorkflowManager

FOLDER = Path("tutorial_data")

ORDERS = """\
order,product,quantity,price
1001,Espresso beans,2,14.50
1002,Filter papers,,3.20
1003,Kettle,1,39.00
1004,espresso beans,1,14.50
1005,Filter papers,4,3.20
"""


def extract():
    """Fetch the raw orders. Here they are written down above; in earnest this would be a download."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "orders.csv").write_text(ORDERS)


def transform():
    """Drop orders without a quantity, spell products alike, and add up the sales of each."""
    sales: dict[str, float] = {}
    with open(FOLDER / "orders.csv", newline="") as file:
        for order in csv.DictReader(file):
            if order["quantity"]:
                product = order["product"].capitalize()
                sales[product] = sales.get(product, 0) + int(order["quantity"]) * float(order["price"])
    (FOLDER / "sales.json").write_text(json.dumps(sales, indent=2))


def load():
    """Hand over the result. Here it is printed; in earnest this would go into a database."""
    for product, amount in json.loads((FOLDER / "sales.json").read_text()).items():
        print(f"{product:15} {amount:8.2f}")


manager = WorkflowManager()
manager.add_task(Task("extract", extract))
manager.add_task(Task("transform", transform, dependencies=["extract"]))
manager.add_task(Task("load", load, dependencies=["transform"]))
manager.run()
