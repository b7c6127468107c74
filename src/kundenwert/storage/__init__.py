"""Files: whatever takes long to make can be kept, exactly, and damage is found before anything is read.

A file of format 2 is NetCDF-4 to others. Its first 512 bytes, which HDF5 leaves to its users, hold a digest of all that
follows; a variable of text, the directory, says what the file holds: typed, versioned blocks, named by the fields of
what was saved, and where in the file their numbers stand. Reading checks the digest, and then takes the numbers from
these places: HDF5 is never asked.

* :mod:`~kundenwert.storage.registry`: what can be kept; a new kind is one entry;
* :mod:`~kundenwert.storage.encoding`, :mod:`~kundenwert.storage.decoding`: to blocks and back;
  :mod:`~kundenwert.storage.columns` does so for tables and ids, :mod:`~kundenwert.storage.hints` checks types;
* :mod:`~kundenwert.storage.container`: blocks to bytes and back; :mod:`~kundenwert.storage.format1` for older files;
* :mod:`~kundenwert.storage.disk`: bytes to the disk, whole or not at all, and back;
* :mod:`~kundenwert.storage.keeping`: all of it together.
"""
