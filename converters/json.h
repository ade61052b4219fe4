/* JSON, written member by member: commas, indentation and escapes are looked after here. */
#ifndef ETLHEAP_CONVERTERS_JSON_H
#define ETLHEAP_CONVERTERS_JSON_H

#include "io/sink.h"
#include "model/stats.h"

#define JSON_DEPTH 8

/* `out` set and the rest zero is the beginning of a document. */
struct json {
    struct out *out;
    unsigned depth;
    bool begun[JSON_DEPTH]; /* something was written at this depth */
    unsigned flat;          /* from this depth on all is one line; 0: nowhere */
};

/* An object or array, as a member called `name`, or, with NULL, as the document or an element of an
 * array. A flat one is written in one line. */
void json_open(struct json *j, const char *name, char bracket);
void json_open_flat(struct json *j, const char *name, char bracket);
/* `bracket` is the closing one. At depth 0 it ends the document and its line. */
void json_close(struct json *j, char bracket);

/* Members; elements of an array have NULL as their name. */
void json_u64(struct json *j, const char *name, uint64_t value);
void json_i64(struct json *j, const char *name, int64_t value);
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);
/* Any bytes: what is no UTF-8 becomes U+FFFD. NULL is null. */
void json_text(struct json *j, const char *name, const char *text);
/* "0x1a0000" */
void json_hex(struct json *j, const char *name, uint64_t value);

/* The counts of semantics 3 as members. */
void json_stats(struct json *j, const struct eh_stats *stats);

#endif
