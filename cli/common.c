/* What the subcommands share: messages, global options, passphrases, dates. */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

plumb__cli_options plumb__cli = {false, false, PLUMB__COLOR_AUTO, NULL};

bool plumb__cli_take(int option, const char *value)
{
    static const char *const words[] = {"auto", "always", "never"};
    if (option == PLUMB__OPT_JSON) {
        plumb__cli.json = true;
        return true;
    }
    if (option == PLUMB__OPT_QUIET) {
        plumb__cli.quiet = true;
        return true;
    }
    if (option == PLUMB__OPT_STATE) {
        plumb__cli.state = value;
        return true;
    }
    if (option != PLUMB__OPT_COLOR) return false;
    for (int i = 0; i < 3; i++) {
        if (strcmp(value, words[i]) == 0) {
            plumb__cli.color = (plumb__color)i;
            return true;
        }
    }
    fprintf(stderr, "plumb: --color must be auto, always or never\n");
    return false;
}

static bool use_color(FILE *stream)
{
    if (plumb__cli.color != PLUMB__COLOR_AUTO) return plumb__cli.color == PLUMB__COLOR_ALWAYS;
    const char *no_color = getenv("NO_COLOR");
    return (no_color == NULL || no_color[0] == '\0') && isatty(fileno(stream));
}

const char *plumb__cli_color(FILE *stream, const char *text, const char *colored)
{
    return use_color(stream) ? colored : text;
}

const char *plumb__cli_name(void)
{
    return plumb__cli_color(stderr, "plumb", "\033[1;31mplumb\033[0m");
}

int plumb__cli_fail(const plumb_error *err)
{
    fprintf(stderr, "%s: %s\n", plumb__cli_name(), err->message);
    return plumb_status_exit_code(err->status);
}

/* A failed check of content is the answer no; a signer that nobody vouches for is another matter.
 */
int plumb__cli_verdict(plumb_status status)
{
    switch (status) {
    case PLUMB_ERR_DIGEST:
    case PLUMB_ERR_CORRUPT:
    case PLUMB_ERR_MISMATCH:
    case PLUMB_ERR_STATE: return PLUMB__EXIT_NO;
    default: return plumb_status_exit_code(status);
    }
}

int plumb__cli_answer(const plumb_error *err)
{
    const bool no = err->status == PLUMB_ERR_NOT_FOUND || err->status == PLUMB_ERR_EXISTS;
    const int code = plumb__cli_fail(err);
    return no && err->os_errno == 0 ? PLUMB__EXIT_NO : code;
}

int plumb__cli_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", plumb__cli_name());
    vfprintf(stderr, format, args);
    va_end(args);
    if (command[0] == '\0') {
        fputs("; see plumb --help\n", stderr);
    } else {
        fprintf(stderr, "; see plumb %s --help\n", command);
    }
    return PLUMB__EXIT_USAGE;
}

int plumb__cli_done(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "plumb: standard output could not be written\n");
        return PLUMB__EXIT_IO;
    }
    return code;
}

int plumb__cli_help(const char *text)
{
    fputs(text, stdout);
    return plumb__cli_done(PLUMB__EXIT_OK);
}

void plumb__cli_say(const char *format, ...)
{
    if (plumb__cli.quiet) return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* The control character at c, n > 0 bytes of UTF-8 there, and its bytes; 0: there is none. It is
 * one of those that no name has (manifest.md section 1). */
static unsigned control_at(const unsigned char *c, size_t n, size_t *bytes)
{
    unsigned u = c[0];
    *bytes = 1;
    if (u < 0x20 || u == 0x7f) return u;
    if (n >= 2 && u == 0xc2) {
        *bytes = 2;
        return c[1] >= 0x80 && c[1] < 0xa0 ? c[1] : 0;
    }
    if (n < 3 || u != 0xe2) return 0;
    *bytes = 3;
    u = 0x2000u | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
    return u == 0x200e || u == 0x200f || (u >= 0x2028 && u <= 0x202e) ||
                   (u >= 0x2066 && u <= 0x2069)
               ? u
               : 0;
}

void plumb__cli_print_text(const char *text, int width)
{
    const unsigned char *c = (const unsigned char *)text;
    for (size_t left = strlen(text), bytes; left > 0; c += bytes, left -= bytes) {
        const bool control = control_at(c, left, &bytes) != 0;
        if (!control) bytes = 1;
        if ((c[0] & 0xc0) != 0x80) width--; /* a UTF-8 character counts once */
        putchar(control ? '?' : c[0]);
    }
    while (width-- > 0)
        putchar(' ');
}

void plumb__cli_print_json_text(const char *text, size_t n)
{
    const unsigned char *c = (const unsigned char *)text;
    for (size_t bytes; n > 0; c += bytes, n -= bytes) {
        const unsigned control = control_at(c, n, &bytes);
        if (control == 0) bytes = 1;
        if (control == 0)
            putchar(c[0]);
        else
            printf("\\u%04X", control);
    }
    putchar('\n');
}

void plumb__cli_print_json(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    if (text != NULL) plumb__cli_print_json_text(text, strlen(text));
    free(text);
    json_decref(value);
}

plumb_status plumb__cli_open_key(const char *path, const char *passphrase_file,
                                 plumb_secret_key **key, plumb_error *err)
{
    char prompt[4200], *passphrase = NULL;
    size_t n = 0;
    *key = NULL;
    snprintf(prompt, sizeof prompt, "Passphrase of %.4096s: ", path);
    plumb_status status =
        plumb__cli_passphrase(passphrase_file, prompt, false, &passphrase, &n, err);
    if (status == PLUMB_OK) status = plumb_key_open(path, passphrase, n, key, err);
    plumb_key_text_free(passphrase);
    return status;
}

/* Accepts what formats back to itself: so no thirteenth month, no 30th of February. */
bool plumb__cli_parse_time(const char *text, int64_t *unix_s)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"};
    const size_t lengths[] = {10, 20};
    for (int i = 0; i < 2; i++) {
        struct tm tm = {0};
        char again[32];
        if (strlen(text) != lengths[i]) continue;
        const char *end = strptime(text, forms[i], &tm);
        if (end == NULL || *end != '\0') continue;
        const time_t t = timegm(&tm);
        if (gmtime_r(&t, &tm) == NULL || strftime(again, sizeof again, forms[i], &tm) == 0)
            continue;
        if (strcmp(again, text) != 0) continue;
        *unix_s = (int64_t)t;
        return true;
    }
    return false;
}

void plumb__cli_format_time(int64_t unix_s, char out[21])
{
    const time_t t = (time_t)unix_s;
    struct tm tm = {0};
    if (gmtime_r(&t, &tm) == NULL || strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        strcpy(out, "(out of range)");
    }
}

bool plumb__cli_parse_count(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (text[0] == '\0') return false;
    for (; *text != '\0'; text++) {
        const unsigned digit = (unsigned)*text - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    if (value > max) return false;
    *out = value;
    return true;
}
