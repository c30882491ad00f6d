/* Passphrases: from a file or descriptor, else from the terminal with echo off. */
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static plumb_status fail(plumb_error *err, plumb_status status, const char *format, ...)
    PLUMB_PRINTF(3, 4);

static plumb_status fail(plumb_error *err, plumb_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->status = status;
    err->os_errno = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

/* Echo comes back whatever happens in between; a signal's default action would skip that, so the
 * terminal delivers none while it is off. */
static plumb_status ask(int fd, const char *prompt, char **text, size_t *n, plumb_error *err)
{
    struct termios before, silent;
    if (tcgetattr(fd, &before) != 0) {
        return fail(err, PLUMB_ERR_IO, "the terminal does not answer: %s", strerror(errno));
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (write(fd, prompt, strlen(prompt)) < 0 || tcsetattr(fd, TCSAFLUSH, &silent) != 0) {
        return fail(err, PLUMB_ERR_IO, "the terminal cannot be silenced: %s", strerror(errno));
    }
    const plumb_status status = plumb_passphrase_line(fd, text, n, err);
    tcsetattr(fd, TCSAFLUSH, &before);
    if (write(fd, "\n", 1) < 0) errno = 0;
    return status;
}

static plumb_status ask_twice(int fd, const char *prompt, char **text, size_t *n, plumb_error *err)
{
    char *again = NULL;
    size_t again_n = 0;
    plumb_status status = ask(fd, prompt, text, n, err);
    if (status != PLUMB_OK) return status;
    status = ask(fd, "Once more: ", &again, &again_n, err);
    if (status == PLUMB_OK && (again_n != *n || memcmp(again, *text, *n) != 0)) {
        status = fail(err, PLUMB_ERR_KEY, "the two passphrases differ");
    }
    plumb_key_text_free(again);
    if (status != PLUMB_OK) {
        plumb_key_text_free(*text);
        *text = NULL;
    }
    return status;
}

plumb_status plumb__cli_passphrase(const char *file, const char *prompt, bool confirm, char **text,
                                   size_t *n, plumb_error *err)
{
    *text = NULL;
    *n = 0;
    if (file != NULL) return plumb_passphrase_read(file, text, n, err);
    const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return fail(err, PLUMB_ERR_KEY,
                    "a passphrase is needed and there is no terminal to ask on; give "
                    "--passphrase-file FILE");
    }
    const plumb_status status =
        confirm ? ask_twice(fd, prompt, text, n, err) : ask(fd, prompt, text, n, err);
    close(fd);
    return status;
}
