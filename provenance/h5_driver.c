#include "provenance/h5_driver.h"
#include "base/alloc.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* HDF5's view of an open file begins with its own structure. */
typedef struct driver_file {
    H5FD_t base;
    plumb__h5_device *device;
    haddr_t end; /* of what HDF5 has allocated */
} driver_file;

typedef struct driver_info {
    plumb__h5_device *device;
} driver_info;

static driver_file *file_of(H5FD_t *base)
{
    return (driver_file *)(void *)base;
}

static void keep_errno(plumb__h5_device *device, int os_errno)
{
    if (device->os_errno == 0) device->os_errno = os_errno;
}

/* ---- opening ---- */

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t max_address)
{
    const driver_info *info = H5Pget_driver_info(access);
    driver_file *file = NULL;
    (void)name;
    (void)flags;
    (void)max_address;
    if (info == NULL || plumb__alloc(&file, 1, sizeof *file, "a file", NULL) != PLUMB_OK)
        return NULL;
    file->device = info->device;
    return &file->base;
}

static herr_t driver_close(H5FD_t *base)
{
    plumb__free(file_of(base));
    return 0;
}

static herr_t driver_query(const H5FD_t *base, unsigned long *flags)
{
    (void)base;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA |
             H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const driver_file *)(const void *)base)->end;
}

static herr_t driver_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    file_of(base)->end = end;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const driver_file *)(const void *)base)->device->size;
}

/* ---- reading ---- */

/* From the descriptor; what lies behind its end reads as zeros. */
static int read_descriptor(const plumb__h5_device *device, uint64_t at, size_t n, uint8_t *out)
{
    while (n > 0) {
        const ssize_t got = pread(device->fd, out, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (got == 0) break;
        at += (uint64_t)got;
        out += got;
        n -= (size_t)got;
    }
    memset(out, 0, n);
    return 0;
}

/* Lays what could not be written over what was read. */
static void read_unwritten(const plumb__h5_device *device, uint64_t at, size_t n, uint8_t *out)
{
    for (const plumb__h5_unwritten *u = device->first; u != NULL; u = u->next) {
        const uint64_t begin = u->at > at ? u->at : at;
        const uint64_t end = u->at + u->n < at + n ? u->at + u->n : at + n;
        if (begin < end) memcpy(out + (begin - at), u->bytes + (begin - u->at), end - begin);
    }
}

static bool is_inside(uint64_t at, size_t n, uint64_t size)
{
    return at <= size && n <= size - at;
}

static herr_t driver_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                          void *out)
{
    driver_file *file = file_of(base);
    plumb__h5_device *device = file->device;
    (void)type;
    (void)transfer;
    /* HDF5 may read back what it has allocated and not written yet, but only when it writes */
    if (!is_inside(at, n, file->end) || (!device->writable && !is_inside(at, n, device->size)))
        return -1;
    const int os_errno = read_descriptor(device, at, n, out);
    if (os_errno != 0) {
        keep_errno(device, os_errno);
        return -1;
    }
    read_unwritten(device, at, n, out);
    return 0;
}

/* ---- writing ---- */

static int write_descriptor(const plumb__h5_device *device, uint64_t at, size_t n,
                            const uint8_t *bytes)
{
    while (n > 0) {
        const ssize_t put = pwrite(device->fd, bytes, n, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        if (put == 0) return ENOSPC;
        at += (uint64_t)put;
        bytes += put;
        n -= (size_t)put;
    }
    return 0;
}

static herr_t keep_unwritten(plumb__h5_device *device, uint64_t at, size_t n, const void *bytes)
{
    plumb__h5_unwritten *u = NULL;
    if (plumb__alloc(&u, 1, sizeof *u + n, "unwritten bytes", NULL) != PLUMB_OK) return -1;
    u->at = at;
    u->n = n;
    memcpy(u->bytes, bytes, n);
    if (device->last != NULL)
        device->last->next = u;
    else
        device->first = u;
    device->last = u;
    return 0;
}

static herr_t driver_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                           const void *bytes)
{
    driver_file *file = file_of(base);
    plumb__h5_device *device = file->device;
    (void)type;
    (void)transfer;
    if (!device->writable || !is_inside(at, n, file->end)) return -1;
    if (device->os_errno == 0) keep_errno(device, write_descriptor(device, at, n, bytes));
    if (at + n > device->size) device->size = at + n;
    return device->os_errno == 0 ? 0 : keep_unwritten(device, at, n, bytes);
}

static herr_t driver_truncate(H5FD_t *base, hid_t transfer, hbool_t closing)
{
    driver_file *file = file_of(base);
    plumb__h5_device *device = file->device;
    (void)transfer;
    (void)closing;
    if (!device->writable || file->end == device->size) return 0;
    if (device->os_errno == 0 && ftruncate(device->fd, (off_t)file->end) != 0)
        keep_errno(device, errno);
    device->size = file->end;
    return 0;
}

/* ---- the driver ---- */

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 14, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600, /* of those free for anybody */
#endif
    .name = "plumb",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(driver_info),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* Registered once; again after somebody closed the HDF5 library. */
static hid_t driver_id(void)
{
    static hid_t id = H5I_INVALID_HID;
    if (id < 0 || H5Iget_type(id) != H5I_VFL) id = H5FDregister(&driver_class);
    return id;
}

hid_t plumb__h5_device_access(plumb__h5_device *device)
{
    const driver_info info = {device};
    const hid_t driver = driver_id(), access = H5Pcreate(H5P_FILE_ACCESS);
    /* Columns are written by whole chunks and read by whole blocks, so HDF5's cache of chunks, up
     * to 1 MiB for each of some fifty datasets, would only hold what is not asked for again. */
    if (driver >= 0 && access >= 0 && H5Pset_driver(access, driver, &info) >= 0 &&
        H5Pset_cache(access, 0, 0, 0, 1.0) >= 0)
        return access;
    if (access >= 0) H5Pclose(access);
    return H5I_INVALID_HID;
}

void plumb__h5_device_clear(plumb__h5_device *device)
{
    while (device->first != NULL) {
        plumb__h5_unwritten *next = device->first->next;
        plumb__free(device->first);
        device->first = next;
    }
    device->last = NULL;
}
