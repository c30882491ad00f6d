/* The file driver under every graph: HDF5 reads and writes one descriptor that Plumbline opened.
 *
 * Reading: nothing outside the file is read, whatever address the file claims, and there is no
 * metadata accumulator, which HDF5 1.10 lets such addresses overrun.
 * Writing: HDF5 cannot be told that a disk is full. A file whose last flush failed cannot be closed
 * any more, and the process dies when it exits. So the first failed write is kept here, and HDF5
 * goes on over a copy in memory until the file is closed; what then happens is up to os_errno. */
#ifndef PLUMB_PROVENANCE_H5_DRIVER_H
#define PLUMB_PROVENANCE_H5_DRIVER_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What could not be written, oldest first. */
typedef struct plumb__h5_unwritten {
    struct plumb__h5_unwritten *next;
    uint64_t at;
    size_t n;
    uint8_t bytes[];
} plumb__h5_unwritten;

/* Owned by the caller, alive until the file is closed; the descriptor stays the caller's too. */
typedef struct plumb__h5_device {
    int fd; /* < 0: none */
    bool writable;
    uint64_t size; /* bytes in the file, as HDF5 is to see it */
    int os_errno;  /* of the first read, write or truncation that failed; 0: none */
    plumb__h5_unwritten *first, *last;
} plumb__h5_device;

/* File access properties with this driver over the device; negative on failure. Under the lock. */
hid_t plumb__h5_device_access(plumb__h5_device *device);
/* Frees what could not be written. The descriptor stays open. */
void plumb__h5_device_clear(plumb__h5_device *device);

#endif
