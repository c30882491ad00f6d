/* How the records that are components of one parent add up (docs/formats/manifest.md section 4). */
#include "manifest/records.h"

plumb_status plumb__siblings_recombine(const char *what, plumb__table *t,
                                       const plumb__taxonomy *taxonomy, plumb_error *err)
{
    (void)what;
    (void)t;
    (void)taxonomy;
    (void)err;
    return PLUMB_OK;
}
