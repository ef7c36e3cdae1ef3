"""Converters: other projects' training data made rows, one file a format.

`python -m training.convert IN OUT --from FORMAT`. Each converter takes one parsed record and
returns a `Converted`, or raises `RowError` for a record that holds no usable row.
"""
