#include "chrome_names.h"

#include "base/array.h"

#include <stdlib.h>

int chrome_names_add(struct chrome_names *l, enum chrome_name_kind kind, uint32_t pid,
                     uint32_t tid, const char *text)
{
    if (ARRAY_RESERVE(l->names, l->room, l->count + 1) < 0)
        return -1;
    l->names[l->count] = (struct chrome_name){pid, tid, kind, (uint32_t)l->count, text};
    l->count++;
    return 0;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_owner(const struct chrome_name *a, const struct chrome_name *b)
{
    int by_pid = compare_u64(a->pid, b->pid);
    int by_kind = by_pid ? by_pid : compare_u64(a->kind, b->kind);
    return by_kind ? by_kind : compare_u64(a->tid, b->tid);
}

static int compare_in_order(const void *left, const void *right)
{
    const struct chrome_name *a = left, *b = right;
    int by_owner = compare_owner(a, b);
    return by_owner ? by_owner : compare_u64(a->order, b->order);
}

/* Puts repetitions behind the first of their kind. Which text comes first does not matter here. */
static int compare_by_text(const void *left, const void *right)
{
    const struct chrome_name *a = left, *b = right;
    int by_owner = compare_owner(a, b);
    int by_text = by_owner ? by_owner : compare_u64((uintptr_t)a->text, (uintptr_t)b->text);
    return by_text ? by_text : compare_u64(a->order, b->order);
}

static void sort_names(struct chrome_names *l)
{
    if (!l->count)
        return;
    qsort(l->names, l->count, sizeof *l->names, compare_by_text);
    size_t kept = 1;
    for (size_t i = 1; i < l->count; i++) {
        const struct chrome_name *last = &l->names[kept - 1];
        if (l->names[i].text != last->text || compare_owner(&l->names[i], last) != 0)
            l->names[kept++] = l->names[i];
    }
    l->count = kept;
    qsort(l->names, l->count, sizeof *l->names, compare_in_order);
}

/* How many names from index `first` on belong to the same thing as that one. */
static size_t run_length(const struct chrome_names *l, size_t first)
{
    size_t n = 1;
    while (first + n < l->count && compare_owner(&l->names[first], &l->names[first + n]) == 0)
        n++;
    return n;
}

static void begin_metadata(struct chrome_lines *lines, uint32_t pid, uint32_t tid,
                           const char *name, const char *key)
{
    char *at = PUT(chrome_begin_line(lines), "{\"ph\":\"M\",\"pid\":");
    at = put_u64(at, pid);
    at = PUT(at, ",\"tid\":");
    at = put_u64(at, tid);
    at = PUT(at, ",\"name\":\"");
    at = put_string(at, name);
    at = PUT(at, "\",\"args\":{\"");
    at = put_string(at, key);
    out_commit(lines->out, PUT(at, "\":"));
}

static void put_run(struct chrome_lines *lines, const struct chrome_name *names, size_t count)
{
    static const struct {
        const char *name, *key;
    } metadata[] = {
        [CHROME_PROCESS_NAME] = {"process_name", "name"},
        [CHROME_PROCESS_LABELS] = {"process_labels", "labels"},
        [CHROME_THREAD_NAME] = {"thread_name", "name"},
    };
    begin_metadata(lines, names->pid, names->tid, metadata[names->kind].name,
                   metadata[names->kind].key);
    for (size_t i = 0; i < count; i++) {
        out_write(lines->out, i ? ", " : "\"", i ? 2 : 1);
        chrome_put_escaped(lines->out, names[i].text);
    }
    out_write(lines->out, "\"}}", 3);
}

void chrome_names_put(struct chrome_names *l, struct chrome_lines *lines)
{
    sort_names(l);
    for (size_t i = 0, n; i < l->count; i += n) {
        n = run_length(l, i);
        put_run(lines, &l->names[i], n);
    }
}

void chrome_put_sort_index(struct chrome_lines *lines, uint32_t pid, uint64_t index)
{
    begin_metadata(lines, pid, 0, "process_sort_index", "sort_index");
    char *at = put_u64(out_reserve(lines->out, CHROME_LINE_BYTES), index);
    out_commit(lines->out, PUT(at, "}}"));
}

void chrome_names_finish(struct chrome_names *l)
{
    free(l->names);
    *l = (struct chrome_names){0};
}
