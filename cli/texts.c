/* Lists of ids and folders that options gather. */
#include "cli/impact/impact.h"

#include <stdlib.h>
#include <string.h>

static void *or_give_up(void *memory)
{
    if (memory != NULL) return memory;
    fputs("plumb: no memory\n", stderr);
    exit(PLUMB__EXIT_IO);
}

bool plumb__texts_add(plumb__texts *texts, const char *text)
{
    if (texts->n == PLUMB__TEXTS_MAX) return false;
    if (texts->n == texts->capacity) {
        texts->capacity = texts->capacity > 0 ? 2 * texts->capacity : 16;
        texts->list = or_give_up(realloc(texts->list, texts->capacity * sizeof *texts->list));
    }
    texts->list[texts->n++] = or_give_up(strdup(text));
    return true;
}

int plumb__texts_read(plumb__texts *texts, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    bool fits = true;
    if (file == NULL) {
        fprintf(stderr, "%s: %s: cannot be read\n", plumb__cli_name(), path);
        return PLUMB__EXIT_IO;
    }
    while (fits && getline(&line, &size, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0') fits = plumb__texts_add(texts, line);
    }
    free(line);
    fclose(file);
    if (fits) return 0;
    fprintf(stderr, "%s: %s: has more than %u lines; take them in parts\n", plumb__cli_name(), path,
            PLUMB__TEXTS_MAX);
    return PLUMB__EXIT_INPUT;
}

void plumb__texts_free(plumb__texts *texts)
{
    for (size_t i = 0; i < texts->n; i++)
        free(texts->list[i]);
    free(texts->list);
    *texts = (plumb__texts){0};
}
