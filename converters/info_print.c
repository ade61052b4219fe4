#include "info_print.h"

#include "info_names.h"
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 2048

const char *info_safe(struct info_safe *s, const char *text)
{
    enum { LONGEST = 64, MOST = 4 * LONGEST };
    size_t length = strlen(text), shown = length < MOST ? length : MOST;
    while (shown < length && shown && (text[shown] & 0xC0) == 0x80)
        shown--; /* whole characters only */
    char bytes[4 * MOST];
    size_t made = (size_t)(put_terminal_safe(bytes, text, shown) - bytes), used = made;
    if (made > sizeof s->text - 4)
        for (used = sizeof s->text - 4; used && (bytes[used] & 0xC0) == 0x80;)
            used--;
    memcpy(s->text, bytes, used);
    strcpy(s->text + used, shown < length || used < made ? "..." : "");
    return s->text;
}

const char *info_number(struct info_number *n, uint64_t value)
{
    char digits[TEXT_U64_BYTES + 4];
    size_t length = (size_t)(put_u64(digits, value) - digits), at = 0;
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            n->text[at++] = ',';
        n->text[at++] = digits[i];
    }
    n->text[at] = 0;
    return n->text;
}

const char *info_bytes(struct info_number *n, uint64_t bytes)
{
    *put_amount(n->text, bytes) = 0;
    return n->text;
}

void info_print(struct out *out, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (n > 0)
        out_write(out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

const char *info_clock_name(uint32_t type)
{
    return type == 2 ? "system time" : type == 3 ? "processor cycles" : "performance counter";
}

const char *info_mode(struct info_mode *m, uint32_t mode)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } bits[] = {
        {EH_MODE_CIRCULAR, "circular"},     {EH_MODE_APPEND, "appended"},
        {EH_MODE_NEWFILE, "several files"}, {EH_MODE_BUFFERING, "in memory"},
        {EH_MODE_PRIVATE, "private"},       {EH_MODE_RELOG, "merged or converted"},
        {EH_MODE_SYSTEM, "kernel session"}, {EH_MODE_MIXED, "processors share buffers"},
    };
    char *at = m->text;
    *at = 0;
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (mode & bits[i].bit)
            at += sprintf(at, "%s%s", at == m->text ? "" : ", ", bits[i].name);
    return m->text;
}

const char *info_header(struct info_number *n, unsigned header)
{
    const char *name = eh_header_name(header);
    if (!name)
        snprintf(n->text, sizeof n->text, "kind %u", header);
    return name ? name : n->text;
}

static const char *hook_kind(struct info_safe *s, const struct eh_record_kind *k)
{
    const char *group = info_group_name(k->hook >> 8), *type = info_type_name(k);
    if (group && type)
        snprintf(s->text, sizeof s->text, "%s %s", group, type);
    else if (group)
        snprintf(s->text, sizeof s->text, "%s 0x%02x", group, k->hook & 0xFFu);
    else
        snprintf(s->text, sizeof s->text, "hook 0x%04x", (unsigned)k->hook);
    return s->text;
}

const char *info_kind(struct info_safe *s, const struct eh_census *c,
                      const struct eh_record_kind *k)
{
    if (k->has_hook)
        return hook_kind(s, k);
    if (k->provider == EH_NO_ID) {
        struct info_number n;
        snprintf(s->text, sizeof s->text, "%s", info_header(&n, k->header));
        return s->text;
    }
    char guid[INFO_GUID_BYTES];
    info_guid_text(c->providers[k->provider].guid, guid);
    const char *name = info_provider_name(c->providers[k->provider].guid);
    const char *type = info_type_name(k);
    bool event = eh_header_is_event(k->header);
    int n = snprintf(s->text, sizeof s->text, "%s %s %u", name ? name : guid,
                     event ? "event" : "opcode", (unsigned)(event ? k->event : k->hook));
    if (type)
        snprintf(s->text + n, sizeof s->text - (size_t)n, " %s", type);
    return s->text;
}
