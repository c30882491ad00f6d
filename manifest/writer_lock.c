#include "manifest/writer_lock.h"

#include "manifest/manifest_object.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 30000u

/* Of NAME.plumb.json, NAME.checkpoint, NAME.withdrawals or NAME.vN.withdrawals; stem is "NAME." */
static bool is_left_over(const char *name, const char *stem)
{
    static const char *const suffixes[] = {"plumb.json", "checkpoint", "withdrawals"};
    size_t n = strlen(stem);
    if (strncmp(name, stem, n) != 0) return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (plumb__file_is_temporary(name + n, suffixes[i])) return true;
    }
    const size_t digits = name[n] == 'v' ? strspn(name + n + 1, "0123456789") : 0;
    if (digits == 0 || name[n + 1 + digits] != '.') return false;
    return plumb__file_is_temporary(name + n + digits + 2, "withdrawals");
}

/* Every writer of these holds the lock, so that a temporary found now is nobody's. What cannot be
 * removed stays: nobody reads it. */
static void sweep(const char *lock_path)
{
    static const char suffix[] = "plumb.lock";
    char folder[PLUMB__PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", lock_path);
    char *slash = strrchr(folder, '/');
    const char *base = strrchr(lock_path, '/');
    base = base != NULL ? base + 1 : lock_path;
    char stem[PLUMB__PATH_BYTES];
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(base) - (sizeof suffix - 1)), base);
    if (slash != NULL) slash[slash == folder] = '\0';
    DIR *dir = opendir(slash != NULL ? folder : ".");
    if (dir == NULL) return;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (is_left_over(entry->d_name, stem)) (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}

plumb_status plumb__manifest_lock(const char *envelope_path, plumb__lock *out, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb_error why = {0};
    out->fd = -1;
    PLUMB_TRY(plumb__manifest_path(envelope_path, ".plumb.lock", path, err));
    const plumb_status status = plumb__lock_take(path, WAIT_MS, out, &why);
    if (status == PLUMB_ERR_NOT_FOUND) return PLUMB_OK;
    if (status == PLUMB_OK)
        sweep(path);
    else if (err != NULL)
        *err = why;
    return status;
}
