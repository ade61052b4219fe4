#include "pieces.h"

#include "base/array.h"
#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* More would have numbers of five digits, and names no longer in order. A folder with more files
 * serves nobody, and each piece takes memory. */
#define PIECES_MAX 9999u

struct piece {
    char *name; /* the output's, so that it lives as long as that */
    struct output output;
};

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

/* How many bytes of the path stand before the number. */
static size_t stem_length(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    if (output_name_is_packed(name))
        length -= strlen(".zst");
    for (size_t i = length; i > 1; i--)
        if (name[i - 1] == '.')
            return (size_t)(name - path) + i - 1;
    return (size_t)(name - path) + length;
}

/* The name of piece `number`, from 1 on. */
static char *name_of(const struct pieces *p, size_t number)
{
    const char *path = p->request.path;
    if (!p->numbered)
        return strdup(path);
    size_t stem = stem_length(path), room = strlen(path) + 32;
    char *name = malloc(room);
    if (name)
        snprintf(name, room, "%.*s.%04zu%s", (int)stem, path, number, path + stem);
    return name;
}

/* Pieces are files of their own: two links might lead to one file, and the first piece be lost; a
 * stream has no end where the next begins. */
static int refuse_no_file(const char *name, struct eh_error *e)
{
    struct platform_status status;
    bool is_link = platform_is_link(name);
    if (!is_link && (platform_status_of_path(name, &status) < 0 ||
                     status.kind == PLATFORM_NOTHING || status.kind == PLATFORM_FILE))
        return 0;
    return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET,
                   "%s: is %s, where a piece has to be a file of its own; remove it, or choose "
                   "another name with -o",
                   name, is_link ? "a symbolic link" : "no regular file");
}

int pieces_open_next(struct pieces *p, struct eh_error *e)
{
    if (p->count >= PIECES_MAX)
        return eh_fail(e, EH_ERR_LIMIT, 0, EH_NO_OFFSET,
                       "%s: more than %u pieces would be needed; make them larger",
                       p->request.path, PIECES_MAX);
    if (ARRAY_RESERVE(p->all, p->room, p->count + 1) < 0)
        return out_of_memory(e);
    struct piece piece = {.name = name_of(p, p->count + 1)};
    if (!piece.name)
        return out_of_memory(e);
    struct output_request request = p->request;
    request.path = piece.name;
    if ((p->numbered && refuse_no_file(piece.name, e) < 0) ||
        output_open(&piece.output, &request, e) < 0) {
        free(piece.name);
        return -1;
    }
    p->all[p->count++] = piece;
    return 0;
}

/* Streams have no place for a number. */
static int refuse_stream(const struct output_request *r, struct eh_error *e)
{
    struct platform_status status = {.kind = PLATFORM_STREAM};
    if (strcmp(r->path, "-") && platform_status_of_path(r->path, &status) < 0)
        return 0; /* opening the first piece says why */
    if (status.kind != PLATFORM_STREAM)
        return 0;
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "%s cannot be cut into pieces; name a file with -o",
                   strcmp(r->path, "-") ? r->path : "standard output");
}

int pieces_open(struct pieces *p, const struct output_request *r, bool numbered,
                struct eh_error *e)
{
    p->request = *r;
    p->numbered = numbered;
    if (numbered && refuse_stream(r, e) < 0)
        return -1;
    return pieces_open_next(p, e);
}

struct output *pieces_at(struct pieces *p, size_t index)
{
    return &p->all[index].output;
}

int pieces_publish(struct pieces *p, struct eh_error *e)
{
    for (size_t i = 0; i < p->count; i++) {
        if (output_publish(pieces_at(p, i), e) < 0) {
            pieces_withdraw(p, e);
            return -1;
        }
    }
    return 0;
}

void pieces_withdraw(struct pieces *p, struct eh_error *e)
{
    for (size_t i = 0; i < p->count; i++)
        output_withdraw(pieces_at(p, i), e);
}

const char *pieces_title(struct pieces *p)
{
    const char *first = pieces_at(p, 0)->name, *last = pieces_last(p)->name;
    if (p->count == 1)
        return first;
    size_t room = strlen(first) + strlen(last) + sizeof " to ";
    if (!p->title && (p->title = malloc(room)))
        snprintf(p->title, room, "%s to %s", first, last);
    return p->title ? p->title : first;
}

char *pieces_stray(const struct pieces *p)
{
    struct platform_status status;
    char *name = p->numbered ? name_of(p, p->count + 1) : NULL;
    if (name && platform_status_of_path(name, &status) == 0 && status.kind != PLATFORM_NOTHING)
        return name;
    free(name);
    return NULL;
}

void pieces_discard(struct pieces *p)
{
    for (size_t i = 0; i < p->count; i++) {
        output_discard(pieces_at(p, i));
        free(p->all[i].name);
    }
    free(p->all);
    free(p->title);
    *p = (struct pieces){0};
}
