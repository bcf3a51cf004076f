"""`esp32` for boards that are not there: the parts that are imported by name."""


class NVS:
    def __init__(self, namespace):
        raise OSError(namespace)


class Partition:
    TYPE_DATA = 1
