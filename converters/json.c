#include "json.h"

#include "base/utf.h"
#include "text.h"

static void write_string(struct out *out, const char *s)
{
    out_write(out, s, strlen(s));
}

/* The inside of a string. */
static void write_escaped(struct out *out, const char *text)
{
    size_t length = strlen(text);
    while (length) {
        size_t good = utf8_valid_length(text, length);
        char *at = out_reserve(out, 6 * good + 3);
        at = put_json_escaped(at, text, good);
        if (good < length)
            at = put_string(at, "\xEF\xBF\xBD");
        out_commit(out, at);
        good += good < length;
        text += good;
        length -= good;
    }
}

static bool is_flat(const struct json *j)
{
    return j->flat && j->depth >= j->flat;
}

/* What stands before the next member or element at this depth. */
static void begin_item(struct json *j, const char *name)
{
    static const char spaces[] = "                ";
    if (j->begun[j->depth])
        write_string(j->out, is_flat(j) ? ", " : ",");
    if (!is_flat(j) && j->depth) {
        write_string(j->out, "\n");
        out_write(j->out, spaces, 2 * j->depth);
    }
    j->begun[j->depth] = true;
    if (!name)
        return;
    write_string(j->out, "\"");
    write_escaped(j->out, name);
    write_string(j->out, "\": ");
}

void json_open(struct json *j, const char *name, char bracket)
{
    begin_item(j, name);
    out_write(j->out, &bracket, 1);
    j->begun[++j->depth] = false;
}

void json_open_flat(struct json *j, const char *name, char bracket)
{
    json_open(j, name, bracket);
    if (!j->flat)
        j->flat = j->depth;
}

void json_close(struct json *j, char bracket)
{
    static const char spaces[] = "                ";
    bool begun = j->begun[j->depth], flat = is_flat(j);
    if (j->flat == j->depth)
        j->flat = 0;
    j->depth--;
    if (begun && !flat) {
        write_string(j->out, "\n");
        out_write(j->out, spaces, 2 * j->depth);
    }
    out_write(j->out, &bracket, 1);
    if (!j->depth)
        write_string(j->out, "\n");
}

void json_u64(struct json *j, const char *name, uint64_t value)
{
    begin_item(j, name);
    char *at = out_reserve(j->out, TEXT_U64_BYTES + 4);
    out_commit(j->out, put_u64(at, value));
}

void json_i64(struct json *j, const char *name, int64_t value)
{
    begin_item(j, name);
    char *at = out_reserve(j->out, TEXT_I64_BYTES + 4);
    out_commit(j->out, put_i64(at, value));
}

void json_bool(struct json *j, const char *name, bool value)
{
    begin_item(j, name);
    write_string(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *name)
{
    begin_item(j, name);
    write_string(j->out, "null");
}

void json_text(struct json *j, const char *name, const char *text)
{
    if (!text) {
        json_null(j, name);
        return;
    }
    begin_item(j, name);
    write_string(j->out, "\"");
    write_escaped(j->out, text);
    write_string(j->out, "\"");
}

void json_hex(struct json *j, const char *name, uint64_t value)
{
    char text[TEXT_HEX_BYTES + 1];
    *put_hex(text, value) = 0;
    json_text(j, name, text);
}

/* A list of figures with dotted names becomes an object with one object inside, which stands after
 * the first figure even where it is empty. */
struct figures {
    struct json *json;
    enum { NEST_BEFORE, NEST_INSIDE, NEST_AFTER } nest;
    bool begun;
};

static void write_figure(struct json *j, const char *name, const struct eh_figure *f)
{
    if (!f->known)
        json_null(j, name);
    else if (f->is_signed)
        json_i64(j, name, (int64_t)f->value);
    else
        json_u64(j, name, f->value);
}

static void close_nest(struct figures *f)
{
    if (f->nest == NEST_INSIDE) {
        json_close(f->json, '}');
        f->nest = NEST_AFTER;
    }
}

static void open_nest(struct figures *f)
{
    if (f->nest == NEST_BEFORE && f->begun) {
        json_open(f->json, "heap_events", '{');
        f->nest = NEST_INSIDE;
    }
}

static void take_figure(void *context, const struct eh_figure *figure)
{
    static const char nest_name[] = "heap_events.";
    struct figures *f = context;
    bool nested = !strncmp(figure->name, nest_name, sizeof nest_name - 1);
    open_nest(f);
    if (!nested)
        close_nest(f);
    write_figure(f->json, figure->name + (nested ? sizeof nest_name - 1 : 0), figure);
    f->begun = true;
}

void json_stats(struct json *j, const struct eh_stats *stats)
{
    struct figures f = {.json = j};
    eh_stats_each(stats, take_figure, &f);
    open_nest(&f);
    close_nest(&f);
}
