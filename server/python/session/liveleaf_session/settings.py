"""What the hub told this session when it started it."""

values = {
    "root": "",
    "runtime": "",
    "kernelspec": "",
    "maxContentBytes": 2 << 30,
    "maxContentEntries": 200_000,
    "prestart": None,
    "lab": True,
    "received": "",
}


def load(given):
    values.update(given)
