"""Names of PyTorch that scripts use and that ask for nothing here: settings of backends, `jit`, `distributed` and
their like. Each module can be imported under PyTorch's path.

A setting is kept as it is set and changes nothing, except those that say so. What would have to do something and
cannot raises UnsupportedError, with what to use instead.

It may import `nn`, `cuda`, `runtime` and what stands below.
"""
