/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "acpi-table.h"

#include "cvm/abi.h"

#include <errno.h>
#include <string.h>

int acpi_table_parse(const void *buf, size_t size, uint32_t *abi, uint64_t secret[2], struct cvm_error *e) {
    struct cvm_acpi_table t;
    uint32_t length;
    uint8_t sum = 0;

    if (size < sizeof(t))
        return cvm_error_set(e, -EBADMSG, "the ACPI table CVMD has %zu bytes, not %zu", size, sizeof(t));
    memcpy(&t, buf, sizeof(t));
    memcpy(&length, t.acpi_header + 4, sizeof(length));
    if (memcmp(t.acpi_header, CVM_ACPI_SIGNATURE, 4) != 0)
        return cvm_error_set(e, -EBADMSG, "the ACPI table CVMD has another signature");
    if (length != sizeof(t) || size != sizeof(t))
        return cvm_error_set(e, -EBADMSG, "the ACPI table CVMD says %u bytes, has %zu, should have %zu",
                             length, size, sizeof(t));
    for (size_t i = 0; i < sizeof(t); i++)
        sum = (uint8_t)(sum + ((const uint8_t *)&t)[i]);
    if (sum != 0)
        return cvm_error_set(e, -EBADMSG, "the ACPI table CVMD has a wrong checksum");
    *abi = t.abi_version;
    memcpy(secret, t.secret, sizeof(t.secret));
    explicit_bzero(&t, sizeof(t));
    return 0;
}

int acpi_table_read(const char *path, uint32_t *abi, uint64_t secret[2], struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL;
    size_t size;
    int r;

    r = cvm_read_file(path, 4096, &buf, &size, NULL);
    if (r == -ENOENT)
        return cvm_error_set(e, r, "this host was not started by RootVisor (there is no %s)", path);
    if (r == -EACCES || r == -EPERM)
        return cvm_error_set(e, -EACCES, "%s may be read by root only", path);
    if (r < 0)
        return cvm_error_set(e, r, "cannot read %s: %s", path, strerror(-r));
    r = acpi_table_parse(buf, size, abi, secret, e);
    explicit_bzero(buf, size);
    return r;
}
