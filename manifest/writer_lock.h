/* One writer at a time for the files beside a manifest. */
#ifndef PLUMB_MANIFEST_WRITER_LOCK_H
#define PLUMB_MANIFEST_WRITER_LOCK_H

#include "base/lock.h"

/* Takes NAME.plumb.lock for reading, changing and replacing NAME.plumb.json, NAME.checkpoint and
 * NAME.withdrawals; waits for another writer half a minute, then PLUMB_ERR_LOCKED. Then it removes
 * what killed writers of these files have left. A folder that is not there has no writers: nothing
 * is held then, and whoever opens the manifest says what is missing. */
plumb_status plumb__manifest_lock(const char *envelope_path, plumb__lock *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;

#endif
