/* Threads: a constant. */
#pragma once

/* The reader's error when its arena is full: for who must tell a limit from bad input. */
extern const char json_text_memory[];
