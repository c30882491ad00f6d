#include "manifest/names.h"

#include "base/text.h"

#include <string.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool plumb__name_valid(const char *name)
{
    const size_t n = strlen(name);
    if (n == 0 || n > PLUMB__NAME_MAX || !is_alnum(name[0])) return false;
    for (size_t i = 1; i < n; i++) {
        if (!is_alnum(name[i]) && name[i] != '.' && name[i] != '_' && name[i] != '-') return false;
    }
    return true;
}

plumb_status plumb__name_check(const char *what, const char *kind, const char *name,
                               plumb_error *err)
{
    if (name != NULL && plumb__name_valid(name)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: %s \"%.128s\" must have 1 to %d of the characters A-Z a-z 0-9 . _ - "
                       "and begin with a letter or digit",
                       what, kind, name != NULL ? name : "", PLUMB__NAME_MAX);
}

bool plumb__text_is_plain(const char *text, size_t n, size_t max)
{
    if (n == 0 || n > max || !plumb__utf8_valid(text, n, NULL)) return false;
    for (size_t i = 0; i < n; i++) {
        if (plumb__control_at(text + i, n - i) != 0) return false;
    }
    return true;
}

bool plumb__entry_name_valid(const char *name, bool version_required)
{
    const char *at = strrchr(name, '@');
    const bool versioned = at != NULL && at != name && at[1] != '\0';
    return plumb__text_is_plain(name, strlen(name), PLUMB__TAXONOMY_NAME_MAX) &&
           (versioned || (at == NULL && !version_required));
}
