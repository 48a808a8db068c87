/* What decoders on top of the reader need besides it. Threads: no shared state. */
#pragma once

#include "vivace/codec/json.h"

/* The reader's error when its arena is full: for who must tell a limit from bad input. */
extern const char json_text_memory[];

/* The whole text is one number by JSON's grammar. */
bool json_is_number(slice text);
/* Its value, rounded; infinite when it is out of range. The text must be a number. */
double json_number_value(slice text);
/* Behind a complete value only blanks are left. */
bool json_is_at_end(const struct json_reader *r);
