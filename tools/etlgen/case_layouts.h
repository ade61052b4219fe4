/* The payloads that a case knows by name, as data: one row per record type and version. */
#ifndef ETLHEAP_TOOLS_CASE_LAYOUTS_H
#define ETLHEAP_TOOLS_CASE_LAYOUTS_H

#include <stdint.h>

/* Header forms, in the order of the words of `kind=`. */
enum header_form { FORM_SYSTEM, FORM_COMPACT, FORM_PERFINFO, FORM_FULL, FORM_INSTANCE, FORM_EVENT };

struct case_layout {
    const char *word;
    const char *second; /* "" without; NULL: start, end, ... */
    uint16_t hook;      /* group << 8 | type; class records: the type alone */
    uint8_t form;       /* enum header_form */
    uint8_t version;
    const char *guid;   /* of class records, else NULL: that of the hook's group */
    /* "name:type" or "name:type=default" with blanks between. Types: 1 2 4 8 little-endian numbers,
     * P pointer, T raw time, A text in bytes, W text in UTF-16, w the same if given, S SID, G GUID,
     * L list of pointers, H bytes. A default is a number, or @name: another field's value. */
    const char *fields;
};

/* The row for the words, in the layout version asked for, or the first one when `version` is -1 or
 * has no row of its own. *ret_hook: its hook id, or the type of a class. NULL: no such record. */
const struct case_layout *case_find_layout(const char *word, const char *second, int version,
                                           uint16_t *ret_hook);

/* The class GUID of a hook's group as text, NULL for groups without a known one. */
const char *case_group_guid(uint16_t hook);

#endif
