/* Text from traces into valid UTF-8: UTF-16 with lone surrogates replaced by U+FFFD, and ANSI bytes
 * that are UTF-8 if they can be, else Latin-1 (decode/FORMAT.md D.1, timelines.md 6). */
#ifndef ETLHEAP_BASE_UTF_H
#define ETLHEAP_BASE_UTF_H

#include <stddef.h>
#include <stdint.h>

/* Units (2 bytes each, little-endian, unaligned) before the first NUL, at most `units`. */
size_t utf16_length(const uint8_t *text, size_t units);

/* Converts `units` units into at most `room` bytes, whole characters only; returns the bytes. No
 * terminating NUL. A unit needs at most 3 bytes. */
size_t utf8_from_utf16(const uint8_t *text, size_t units, char *into, size_t room);

/* How many bytes from the beginning on are valid UTF-8. */
size_t utf8_valid_length(const char *text, size_t length);

/* Bytes before the first NUL, at most `length`. */
size_t ansi_length(const uint8_t *text, size_t length);

/* The same for ANSI bytes; a byte needs at most 2. */
size_t utf8_from_ansi(const uint8_t *text, size_t length, char *into, size_t room);

#endif
