/* Invariants of a writer:
 *   1. the columns of a class (steps, units, each text group) have the same number of rows after
 * every call that succeeded; a call that failed half way sets `broken`, and nothing more is taken
 *   2. leaves rise within /steps and within each text group
 *   3. what the reader would refuse is refused here first: a file that closed is a file that opens
 */
#include "provenance/h5_writer.h"
#include "base/alloc.h"
#include "provenance/h5_writer_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- creation ---- */

/* Groups without times, whose links stay in their object header: the reader lets no other form near
 * HDF5's code for it, which damage can bring down. */
static hid_t group_properties(hid_t property_class)
{
    const hid_t plist = H5Pcreate(property_class);
    if (plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0 &&
        H5Pset_link_phase_change(plist, PLUMB__H5_MAX_LINKS, PLUMB__H5_MAX_LINKS / 2) >= 0)
        return plist;
    if (plist >= 0) H5Pclose(plist);
    return H5I_INVALID_HID;
}

/* The 1.10 form has a checksum on every piece of metadata; pinning both bounds gives the same form
 * from later libraries. */
static plumb_status create_file(plumb__h5_writer *w, plumb_error *err)
{
    const hid_t access = plumb__h5_device_access(&w->device);
    const hid_t creation = group_properties(H5P_FILE_CREATE);
    plumb_status status = PLUMB_OK;
    if (access >= 0 && creation >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0)
        w->file = H5Fcreate(w->path, H5F_ACC_TRUNC, creation, access);
    if (w->file <= 0) status = plumb__h5_fail(err, PLUMB_ERR_IO, "cannot create %s", w->path);
    if (access >= 0) H5Pclose(access);
    if (creation >= 0) H5Pclose(creation);
    return status;
}

static plumb_status open_device(plumb__h5_writer *w, plumb_error *err)
{
    w->device.writable = true;
    w->device.fd = open(w->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (w->device.fd < 0) return plumb__fail_errno(err, "cannot create %s", w->path);
    return PLUMB_OK;
}

/* HDF5 never hears of a failed write (h5_driver.h): ask here, after what may have written. */
plumb_status plumb__h5_writer_check(plumb__h5_writer *w, plumb_error *err)
{
    if (w->device.os_errno == 0) return PLUMB_OK;
    w->broken = true;
    errno = w->device.os_errno;
    return plumb__fail_errno(err, "cannot write %s", w->path);
}

static plumb_status write_schema_number(hid_t file, plumb_error *err)
{
    const int32_t number = PLUMB__H5_SCHEMA;
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute =
        H5Acreate2(file, "plumb_schema", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    plumb_status status = PLUMB_OK;
    if (attribute < 0 || H5Awrite(attribute, H5T_NATIVE_INT32, &number) < 0)
        status = plumb__h5_fail(err, PLUMB_ERR_IO, "cannot write the attribute plumb_schema");
    if (attribute >= 0) H5Aclose(attribute);
    if (space >= 0) H5Sclose(space);
    return status;
}

/* What a reader of the file meets first, for one who has nothing but h5py. */
static const char about[] = "Plumbline provenance graph. Steps are in /steps, their units one "
                            "after the other in /units and /edges "
                            "(row i of /units and of /edges is the same unit; column l is row l of "
                            "/layers). Amplitude of an edge = "
                            "mask * clip * norm; with a_k the summed amplitudes of an example's "
                            "units of one step at use k of a weight "
                            "and a the sum over the weight's uses, use k is charged a_k * a / (2 * "
                            "nu^2) nats. Every dataset says "
                            "what it holds in its attributes units and description.";

static plumb_status write_root(plumb__h5_writer *w, plumb_error *err)
{
    PLUMB_TRY(write_schema_number(w->file, err));
    PLUMB_TRY(plumb__h5_attribute_text(w->file, "run_id", w->run_id, err));
    return plumb__h5_attribute_text(w->file, "about", about, err);
}

static plumb_status create_groups(plumb__h5_writer *w, size_t first, size_t last, hid_t creation,
                                  plumb_error *err)
{
    for (size_t i = first; i < last; i++) {
        const char *name = plumb__h5_groups[i].name;
        w->groups[i] = H5Gcreate2(w->file, name, H5P_DEFAULT, creation, H5P_DEFAULT);
        if (w->groups[i] < 0)
            return plumb__h5_fail(err, PLUMB_ERR_IO, "%s: cannot create the group /%s", w->path,
                                  name);
        PLUMB_TRY(plumb__h5_attribute_text(w->groups[i], "description",
                                           plumb__h5_groups[i].description, err));
    }
    return PLUMB_OK;
}

plumb_status plumb__h5_writer_groups(plumb__h5_writer *w, size_t first, size_t last,
                                     plumb_error *err)
{
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    const hid_t creation = group_properties(H5P_GROUP_CREATE);
    const plumb_status status = create_groups(w, first, last, creation, err);
    if (creation >= 0) H5Pclose(creation);
    plumb__h5_leave(&guard);
    return status;
}

plumb_status plumb__h5_writer_column(plumb__h5_writer *w, size_t id, size_t string_bytes,
                                     uint64_t expected, plumb_error *err)
{
    const plumb__h5_spec *spec = &plumb__h5_specs[id];
    size_t group = 0;
    while (strcmp(plumb__h5_groups[group].name, spec->group) != 0)
        group++;
    const size_t width = plumb__h5_width_of(spec->width, w->n_layers);
    return plumb__h5_column_create(w->groups[group], &w->types, spec, width, string_bytes, expected,
                                   w->path, &w->columns[id], err);
}

/* ---- /layers ---- */

static size_t longest(const plumb__layer_row *layers, size_t n, size_t offset)
{
    size_t longest_bytes = 1;
    for (size_t i = 0; i < n; i++) {
        const size_t bytes = strlen((const char *)&layers[i] + offset);
        if (bytes > longest_bytes) longest_bytes = bytes;
    }
    return longest_bytes;
}

static plumb_status append_layer(plumb__h5_column *columns, const plumb__layer_row *layer,
                                 plumb_error *err)
{
    const void *values[] = {layer->name,    layer->kind,  &layer->depth,
                            &layer->rows,   &layer->cols, &layer->params,
                            &layer->weight, &layer->use,  &layer->n_uses};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        PLUMB_TRY(plumb__h5_column_append(&columns[PLUMB__H5_LAYERS_NAME + i], values[i], 1, err));
    return PLUMB_OK;
}

static plumb_status write_layers(plumb__h5_writer *w, plumb_error *err)
{
    const size_t name = longest(w->layers, w->n_layers, offsetof(plumb__layer_row, name));
    const size_t kind = longest(w->layers, w->n_layers, offsetof(plumb__layer_row, kind));
    for (size_t id = PLUMB__H5_LAYERS_NAME; id <= PLUMB__H5_LAYERS_N_USES; id++)
        PLUMB_TRY(plumb__h5_writer_column(w, id, id == PLUMB__H5_LAYERS_NAME ? name : kind,
                                          w->n_layers, err));
    for (size_t i = 0; i < w->n_layers; i++)
        PLUMB_TRY(append_layer(w->columns, &w->layers[i], err));
    return PLUMB_OK;
}

static plumb_status create_columns(plumb__h5_writer *w, plumb_error *err)
{
    for (size_t id = PLUMB__H5_STEPS_LEAF; id < PLUMB__H5_SEGMENT_COUNT; id++)
        PLUMB_TRY(plumb__h5_writer_column(w, id, 0, 0, err));
    const uint64_t zero = 0;
    for (size_t g = 0; g < PLUMB__H5_TEXT_GROUPS; g++) {
        const size_t id = PLUMB__H5_TEXTS + g * PLUMB__H5_TEXT_COLUMNS + PLUMB__H5_TEXT_OFFSET;
        PLUMB_TRY(plumb__h5_column_append(&w->columns[id], &zero, 1, err));
    }
    return PLUMB_OK;
}

static plumb_status check_layers(const plumb__layer_row *layers, size_t n, plumb_error *err)
{
    if (n == 0 || n > PLUMB__MAX_USES)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "a graph needs 1 to %u rows in its layer table, not %zu",
                           PLUMB__MAX_USES, n);
    for (size_t i = 0; i < n; i++) {
        if (memchr(layers[i].name, 0, sizeof layers[i].name) == NULL ||
            memchr(layers[i].kind, 0, sizeof layers[i].kind) == NULL)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "layer row %zu: its name or kind has no end", i);
    }
    return PLUMB_OK;
}

static plumb_status start(plumb__h5_writer *w, const char *path, const char *run_id,
                          const plumb__layer_row *layers, size_t n_layers, plumb_error *err)
{
    if (strlen(path) >= sizeof w->path)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "the path is longer than %zu bytes: %s",
                           sizeof w->path - 1, path);
    if (strlen(run_id) != 32 || strspn(run_id, "0123456789abcdef") != 32)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a run id is 32 hex digits, not \"%s\"",
                           run_id);
    PLUMB_TRY(check_layers(layers, n_layers, err));
    memcpy(w->path, path, strlen(path) + 1);
    memcpy(w->run_id, run_id, 33);
    w->n_layers = n_layers;
    PLUMB_TRY(plumb__alloc(&w->layers, n_layers, sizeof *layers, "the layer table", err));
    memcpy(w->layers, layers, n_layers * sizeof *layers);
    PLUMB_TRY(open_device(w, err));
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    plumb_status status = plumb__h5_types_create(&w->types, err);
    if (status == PLUMB_OK) status = create_file(w, err);
    if (status == PLUMB_OK) status = write_root(w, err);
    plumb__h5_leave(&guard);
    PLUMB_TRY(status);
    PLUMB_TRY(plumb__h5_writer_groups(w, 0, PLUMB__H5_SEGMENT_GROUPS, err));
    PLUMB_TRY(write_layers(w, err));
    PLUMB_TRY(create_columns(w, err));
    return plumb__h5_writer_check(w, err);
}

plumb_status plumb__h5_create(const char *path, const char *run_id, const plumb__layer_row *layers,
                              size_t n_layers, plumb__h5_writer **writer, plumb_error *err)
{
    *writer = NULL;
    plumb__h5_writer *w;
    PLUMB_TRY(plumb__alloc(&w, 1, sizeof *w, "a graph writer", err));
    w->device.fd = -1;
    const plumb_status status = start(w, path, run_id, layers, n_layers, err);
    if (status == PLUMB_OK) {
        *writer = w;
        return PLUMB_OK;
    }
    const bool created = w->device.fd >= 0;
    plumb__h5_abandon(w);
    if (created) unlink(path);
    return status;
}

/* ---- steps and texts ---- */

static plumb_status check_step(const plumb__h5_writer *w, uint64_t leaf, const plumb__step *step,
                               plumb_error *err)
{
    if (w->broken || w->finished)
        return plumb__fail(err, PLUMB_ERR_STATE, "%s takes no more steps", w->path);
    if (leaf < w->next_leaf)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: leaf %llu comes after leaf %llu", w->path,
                           (unsigned long long)leaf, (unsigned long long)w->next_leaf - 1);
    if (step->n_uses != w->n_layers)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: a step of %u layer uses in a graph of %zu",
                           w->path, step->n_uses, w->n_layers);
    if (step->n_units > PLUMB__MAX_UNITS_PER_STEP || step->n_scalars > PLUMB__MAX_SCALARS ||
        (uint64_t)step->n_units * step->n_uses > PLUMB__H5_MAX_STEP_EDGES ||
        w->n_units + step->n_units > PLUMB__H5_MAX_UNITS || w->n_steps >= PLUMB__H5_MAX_STEPS)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: a step of %u units at %u uses is more than a graph holds", w->path,
                           step->n_units, step->n_uses);
    if (!plumb__step_declares(step->units_declared, step->n_units))
        return plumb__fail(
            err, PLUMB_ERR_ARGUMENT,
            "%s: a step that declares %u units and has %u; it declares those that it "
            "has to %u",
            w->path, step->units_declared, step->n_units, PLUMB__MAX_UNITS_PER_STEP);
    return PLUMB_OK;
}

static plumb_status append_step_row(plumb__h5_writer *w, uint64_t leaf, int64_t time_ns,
                                    uint8_t superseded, const plumb__step *s, plumb_error *err)
{
    /* in the order of the columns from STEPS_LEAF to STEPS_LIVE */
    const void *values[] = {&leaf,         &s->step,       &w->n_units,        &s->fingerprint,
                            &s->attempt,   &s->n_units,    &s->units_declared, &s->micro_batches,
                            &s->n_scalars, &superseded,    &time_ns,           &s->loss,
                            &s->lr,        &s->normaliser, &s->loss_scale,     s->scalars,
                            s->live};
    plumb__h5_column *columns = &w->columns[PLUMB__H5_STEPS_LEAF];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        PLUMB_TRY(plumb__h5_column_append(&columns[i], values[i], 1, err));
    const void *entropy[] = {s->nu, s->budget, s->spent, s->contribution};
    columns = &w->columns[PLUMB__H5_ENTROPY_NU];
    for (size_t i = 0; i < sizeof entropy / sizeof entropy[0]; i++)
        PLUMB_TRY(plumb__h5_column_append(&columns[i], entropy[i], 1, err));
    return PLUMB_OK;
}

static plumb_status append_step(plumb__h5_writer *w, uint64_t leaf, int64_t time_ns,
                                bool superseded, const plumb__step *s, plumb_error *err)
{
    PLUMB_TRY(append_step_row(w, leaf, time_ns, superseded, s, err));
    /* in the order of the columns from UNITS_EXAMPLE to EDGES_NORM_KIND */
    const void *values[] = {s->example,     s->segment,   s->micro_batch,  s->rows,
                            s->unit_weight, s->unit_loss, s->unit_entropy, s->decision,
                            s->reason,      s->checked,   s->band,         s->norm,
                            s->mask,        s->clip,      s->norm_kind};
    plumb__h5_column *columns = &w->columns[PLUMB__H5_UNITS_EXAMPLE];
    for (size_t i = 0; i < sizeof values / sizeof values[0] && s->n_units > 0; i++)
        PLUMB_TRY(plumb__h5_column_append(&columns[i], values[i], s->n_units, err));
    return PLUMB_OK;
}

plumb_status plumb__h5_add_step(plumb__h5_writer *w, uint64_t leaf, int64_t time_ns,
                                bool superseded, const plumb__step *step, plumb_error *err)
{
    PLUMB_TRY(check_step(w, leaf, step, err));
    const plumb_status status = append_step(w, leaf, time_ns, superseded, step, err);
    w->broken = status != PLUMB_OK;
    if (w->broken) return status;
    w->n_units += step->n_units;
    w->n_steps++;
    w->next_leaf = leaf + 1;
    return plumb__h5_writer_check(w, err);
}

/* The group of a kind of leaf; PLUMB__H5_TEXT_GROUPS for steps. run.json, where it is handed over,
 * stands with the events, at leaf 0. */
static size_t group_of(plumb__leaf_kind kind)
{
    switch (kind) {
    case PLUMB__LEAF_RUN:
    case PLUMB__LEAF_EVENT:
    case PLUMB__LEAF_REWIND: return 0;
    case PLUMB__LEAF_CHECKPOINT: return 1;
    case PLUMB__LEAF_INVENTORY: return 2;
    case PLUMB__LEAF_DECISION: return 3;
    case PLUMB__LEAF_STEP: break;
    }
    return PLUMB__H5_TEXT_GROUPS;
}

static plumb_status append_text(plumb__h5_column *columns, uint64_t leaf, int64_t time_ns,
                                uint8_t kind, uint64_t end, const void *payload, size_t n,
                                plumb_error *err)
{
    PLUMB_TRY(plumb__h5_column_append(&columns[PLUMB__H5_TEXT_LEAF], &leaf, 1, err));
    PLUMB_TRY(plumb__h5_column_append(&columns[PLUMB__H5_TEXT_TIME], &time_ns, 1, err));
    PLUMB_TRY(plumb__h5_column_append(&columns[PLUMB__H5_TEXT_KIND], &kind, 1, err));
    PLUMB_TRY(plumb__h5_column_append(&columns[PLUMB__H5_TEXT_OFFSET], &end, 1, err));
    return plumb__h5_column_append(&columns[PLUMB__H5_TEXT_PAYLOAD], payload, n, err);
}

plumb_status plumb__h5_add_text(plumb__h5_writer *w, plumb__leaf_kind kind, uint64_t leaf,
                                int64_t time_ns, const void *payload, size_t n, plumb_error *err)
{
    if (w->broken || w->finished)
        return plumb__fail(err, PLUMB_ERR_STATE, "%s takes no more leaves", w->path);
    const size_t g = group_of(kind);
    if (g == PLUMB__H5_TEXT_GROUPS || leaf < w->text_next_leaf[g])
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: leaf %llu of kind %d is out of order or no text", w->path,
                           (unsigned long long)leaf, (int)kind);
    if (n > PLUMB__H5_MAX_TEXT_BYTES - w->text_bytes[g])
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: the texts in /%s pass %llu bytes", w->path,
                           plumb__h5_groups[PLUMB__H5_FIRST_TEXT_GROUP + g].name,
                           (unsigned long long)PLUMB__H5_MAX_TEXT_BYTES);
    plumb__h5_column *columns = &w->columns[PLUMB__H5_TEXTS + g * PLUMB__H5_TEXT_COLUMNS];
    if (columns->rows + columns->buffered >= PLUMB__H5_MAX_TEXTS)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: /%s is full", w->path, columns->spec->group);
    const plumb_status status =
        append_text(columns, leaf, time_ns, (uint8_t)kind, w->text_bytes[g] + n, payload, n, err);
    w->broken = status != PLUMB_OK;
    if (w->broken) return status;
    w->text_bytes[g] += n;
    w->text_next_leaf[g] = leaf + 1;
    return plumb__h5_writer_check(w, err);
}

/* ---- the end ---- */

static plumb_status flush_all(plumb__h5_writer *w, plumb_error *err)
{
    for (size_t id = 0; id < PLUMB__H5_COLUMN_COUNT; id++) {
        if (w->columns[id].dataset > 0) PLUMB_TRY(plumb__h5_column_flush(&w->columns[id], err));
    }
    return PLUMB_OK;
}

static plumb_status close_file(plumb__h5_writer *w, plumb_error *err)
{
    for (size_t id = 0; id < PLUMB__H5_COLUMN_COUNT; id++)
        plumb__h5_column_close(&w->columns[id]);
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < PLUMB__H5_GROUPS; i++) {
        if (w->groups[i] > 0) H5Gclose(w->groups[i]);
    }
    plumb__h5_types_close(&w->types);
    if (w->file > 0 && H5Fclose(w->file) < 0)
        status = plumb__h5_fail(err, PLUMB_ERR_IO, "cannot close %s", w->path);
    plumb__h5_leave(&guard);
    w->file = 0;
    return status;
}

static void release(plumb__h5_writer *w)
{
    if (w->device.fd >= 0) close(w->device.fd);
    plumb__h5_device_clear(&w->device);
    plumb__free(w->layers);
    plumb__free(w);
}

plumb_status plumb__h5_close(plumb__h5_writer *w, plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    if (w->broken)
        status = plumb__fail(err, PLUMB_ERR_STATE, "%s is not whole: an earlier write to it failed",
                             w->path);
    else
        status = flush_all(w, err);
    /* After the first failure the rest only tidies up; its messages would hide the reason. */
    PLUMB_KEEP(status, close_file(w, status == PLUMB_OK ? err : NULL));
    if (status == PLUMB_OK) status = plumb__h5_writer_check(w, err);
    if (status == PLUMB_OK) status = plumb__fd_sync(w->device.fd, w->path, err);
    release(w);
    return status;
}

void plumb__h5_abandon(plumb__h5_writer *w)
{
    if (w == NULL) return;
    const plumb_status ignored = close_file(w, NULL);
    (void)ignored;
    release(w);
}
