/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call-page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int call_page_new(uint8_t **ret) {
    uint8_t *page = mmap(NULL, CALL_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int r;

    if (page == MAP_FAILED)
        return -errno;
    if (madvise(page, CALL_PAGE_SIZE, MADV_DONTFORK) < 0 || mlock(page, CALL_PAGE_SIZE) < 0) {
        r = -errno;
        munmap(page, CALL_PAGE_SIZE);
        return r;
    }
    memset(page, 0, CALL_PAGE_SIZE);
    *ret = page;
    return 0;
}

void call_page_free(uint8_t *page) {
    if (!page)
        return;
    explicit_bzero(page, CALL_PAGE_SIZE);
    munmap(page, CALL_PAGE_SIZE);
}
