/* Are the nested sets of a trace those of its tree? Not computed anew: a set of intervals is right when they
 * are numbered without a gap, lie in one another as parents do, and leave out only what no root reaches. */
#include "verify.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"

#include <stdlib.h>

struct tree {
    const struct tree_row *rows;
    size_t n;
    uint32_t *by_left; /* rows that are numbered, by left bound */
    size_t numbered;
    struct id_table ids; /* span id -> first row + 1 */
    uint8_t *times;      /* how often the id of this first row occurs, up to 3 */
    const char *why;
    size_t at;
};

static bool
wrong(struct tree *t, size_t row, const char *why)
{
    t->why = why;
    t->at = row;
    return false;
}

/* Rows by left bound: bounds are 1..2n of n rows, each number used once. */
static bool
number_rows(struct tree *t)
{
    bool *used = NULL;
    bool good = true;
    for (size_t i = 0; i < t->n; i++) {
        t->numbered += t->rows[i].left != 0;
    }
    t->by_left = mem_new_array(uint32_t, 2 * t->numbered + 1);
    used = mem_new_array(bool, 2 * t->numbered + 1);
    for (size_t i = 0; i < t->n && good; i++) {
        const struct tree_row *r = &t->rows[i];
        if (r->left == 0) {
            good = (r->right == 0 && r->parent_left == 0) || wrong(t, i, "a nested set is half empty");
            continue;
        }
        if (r->left < 1 || r->right <= r->left || (size_t)r->right > 2 * t->numbered || used[r->left] ||
            used[r->right]) {
            good = wrong(t, i, "nested set bounds are not one count over the trace");
            continue;
        }
        used[r->left] = used[r->right] = true;
        t->by_left[r->left] = (uint32_t)i + 1;
    }
    mem_free(used);
    return good;
}

/* Walk by left bound with the open intervals on a stack. */
static bool
check_nesting(struct tree *t)
{
    uint32_t *stack = mem_new_array(uint32_t, t->numbered + 1);
    int32_t *children = mem_new_array(int32_t, t->n + 1);
    size_t depth = 0;
    bool good = true;
    for (size_t left = 1; left <= 2 * t->numbered && good; left++) {
        uint32_t row = t->by_left[left];
        if (row == 0) { /* a right bound: of the innermost open one */
            good = (depth > 0 && (size_t)t->rows[stack[depth - 1]].right == left) ||
                   wrong(t, depth ? stack[depth - 1] : 0, "nested sets overlap");
            depth -= depth > 0;
            continue;
        }
        const struct tree_row *r = &t->rows[--row];
        const struct tree_row *up = depth ? &t->rows[stack[depth - 1]] : NULL;
        if (up == NULL) {
            good = (r->parent_left == -1 && span_id_is_zero(&r->parent)) ||
                   wrong(t, row, "a span is numbered as a root and has a parent");
        } else if (r->parent_left != up->left || !span_id_eq(&r->parent, &up->id)) {
            good = wrong(t, row, "a span's nested set does not lie in its parent's");
        } else {
            children[stack[depth - 1]]++;
        }
        stack[depth++] = row;
    }
    for (size_t i = 0; i < t->n && good; i++) {
        good = t->rows[i].left == 0 || children[i] == t->rows[i].children ||
               wrong(t, i, "child_count is not the number of its children");
    }
    mem_free(stack);
    mem_free(children);
    return good;
}

static void
index_ids(struct tree *t, bool *ret_thrice)
{
    t->times = mem_new_array(uint8_t, t->n + 1);
    id_table_init(&t->ids, sizeof(span_id));
    for (size_t i = 0; i < t->n; i++) {
        uint64_t *place = id_table_put(&t->ids, &t->rows[i].id);
        *place = *place ? *place : i + 1;
        uint8_t *times = &t->times[*place - 1];
        *times = *times < 3 ? *times + 1 : 3;
        *ret_thrice = *ret_thrice || *times == 3;
    }
}

/* What is not numbered must be out of every root's reach. */
static bool
check_rest(struct tree *t)
{
    bool thrice = false, good = true;
    index_ids(t, &thrice);
    for (size_t i = 0; i < t->n && good; i++) {
        const struct tree_row *r = &t->rows[i];
        if (thrice) {
            good = r->left == 0 || wrong(t, i, "nested sets in a trace where a span id occurs thrice");
        } else if (r->left == 0 && span_id_is_zero(&r->parent)) {
            good = r->may_hang || wrong(t, i, "a root has no nested set");
        } else if (r->left == 0) {
            uint64_t parent = id_table_get(&t->ids, &r->parent);
            good = parent == 0 || t->times[parent - 1] != 1 || parent - 1 == i ||
                   t->rows[parent - 1].left == 0 ||
                   wrong(t, i, "a span has no nested set and its parent has");
        }
    }
    id_table_fini(&t->ids);
    mem_free(t->times);
    return good;
}

const char *
tree_check(const struct tree_row *rows, size_t n, size_t *ret_row)
{
    struct tree t = {.rows = rows, .n = n};
    bool good = number_rows(&t) && check_nesting(&t) && check_rest(&t);
    mem_free(t.by_left);
    *ret_row = t.at;
    return good ? NULL : t.why;
}
