#include "decode/text.h"

#include "base/utf.h"

struct raw_text take_ansi(struct cursor *c)
{
    size_t length = ansi_length(c->at, cur_left(c));
    struct raw_text text = {c->at, length, false};
    c->at += length < cur_left(c) ? length + 1 : length;
    return text;
}

struct raw_text take_utf16(struct cursor *c)
{
    size_t units = utf16_length(c->at, cur_left(c) / 2);
    struct raw_text text = {c->at, 2 * units, true};
    c->at += 2 * units + 2 <= cur_left(c) ? 2 * units + 2 : cur_left(c);
    return text;
}

size_t raw_text_utf8(const struct raw_text *text, char *into, size_t room)
{
    if (!text->bytes)
        return 0;
    return text->utf16 ? utf8_from_utf16(text->bytes, text->length / 2, into, room)
                       : utf8_from_ansi(text->bytes, text->length, into, room);
}
