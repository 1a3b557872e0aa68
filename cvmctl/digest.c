/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl digest: reference values from files alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/report.h"
#include "attest/verdict.h"
#include "cvmctl.h"
#include "reference-options.h"

static void print_line(const char *name, const uint8_t *digest) {
    char hex[2 * CVM_DIGEST_SIZE + 1];

    printf("%-20s %s\n", name, cvm_hex_encode(digest, CVM_DIGEST_SIZE, hex));
}

static const char *source_of(uint32_t kind, const struct cvm_reference_files *f) {
    switch (kind) {
    case CVM_COMP_FIRMWARE:
        return f->firmware;
    case CVM_COMP_KERNEL:
        return f->kernel;
    case CVM_COMP_INITRD:
        return f->initrd;
    case CVM_COMP_VCPUS:
        return "--vcpus";
    default:
        return f->cmdline;
    }
}

static const char *treatment_of(uint32_t kind) {
    switch (kind) {
    case CVM_COMP_FIRMWARE:
        return "stage 2 out of the ROM, padded with zeros to whole pages";
    case CVM_COMP_KERNEL:
        return "whole file; setup-header fields that a loader writes are zeroed";
    case CVM_COMP_INITRD:
        return "whole file";
    case CVM_COMP_VCPUS:
        return "SHA-384 of the number, le32; also in place of the size";
    default:
        return "text without a final NUL";
    }
}

static void print_boot(const struct cvm_pcrs *p) {
    char hex[2 * CVM_TPM_HASH_MAX + 1];

    for (unsigned i = 0; i < CVM_PCRS; i++)
        if (p->mask >> i & 1)
            printf("%s PCR %-2u  %s\n", cvm_tpm_hash_name(p->hash), i,
                   cvm_hex_encode(p->value[i], p->size, hex));
}

static void explain(const struct cvm_reference *ref, const struct cvm_reference_files *f) {
    char hex[2 * CVM_DIGEST_SIZE + 1];

    for (unsigned i = 0; i < ref->nr_launch; i++) {
        const struct cvm_ref_launch *l = &ref->launch[i];

        printf("launch measurement\n");
        printf("  = SHA-384(\"CVMD-LAUNCH-V2\\0\\0\", then for each component: le32 kind, le32 0, le64 size, "
               "digest)\n"
               "    digest of a component = SHA-384(SHA-384 of each %u bytes of it, and of what remains)\n",
               CVM_MEASURE_CHUNK);
        printf("  = %s\n", cvm_hex_encode(l->digest, CVM_DIGEST_SIZE, hex));
        for (unsigned k = 0; k < l->nr; k++) {
            const struct cvm_measured *m = &l->component[k];

            printf("  %u. %s (kind %u)\n", k + 1, cvm_component_name(m->kind), m->kind);
            printf("       from    %s\n", source_of(m->kind, f));
            printf("       how     %s\n", treatment_of(m->kind));
            printf("       size    %llu\n", (unsigned long long)m->size);
            printf("       digest  %s\n", cvm_hex_encode(m->digest, CVM_DIGEST_SIZE, hex));
        }
        for (uint32_t kind = CVM_COMP_INITRD; kind <= CVM_COMP_CMDLINE; kind++) {
            const char *source = source_of(kind, f);

            if (!source || !*source)
                printf("  no %s\n", cvm_component_name(kind));
        }
    }
    if (ref->nr_firmware && !ref->nr_launch) {
        printf("firmware component\n  = digest(%s), %llu bytes\n", treatment_of(CVM_COMP_FIRMWARE),
               (unsigned long long)ref->firmware[0].size);
        printf("  = %s\n  from %s\n", cvm_hex_encode(ref->firmware[0].digest, CVM_DIGEST_SIZE, hex),
               f->firmware);
    }
    if (ref->nr_rootvisor) {
        printf("RootVisor digest\n  = SHA-384(file bytes of the loadable ELF segments, in order)\n");
        printf("  = %s\n  from %s\n", cvm_hex_encode(ref->rootvisor[0].digest, CVM_DIGEST_SIZE, hex),
               f->rootvisor);
    } else
        printf("RootVisor digest: not computed, no --rootvisor\n");
    if (ref->nr_guardian) {
        printf("Guardian digest\n  = SHA-384(file), security version %u\n", ref->guardian[0].min_svn);
        printf("  = %s\n  from %s\n", cvm_hex_encode(ref->guardian[0].digest, CVM_DIGEST_SIZE, hex),
               f->guardian);
    } else
        printf("Guardian digest: not computed, no --guardian\n");
    for (unsigned i = 0; i < ref->nr_boot; i++) {
        printf("firmware and loader\n  = what the event log replays to, before RootVisor\n  from %s\n",
               f->event_log);
        print_boot(&ref->boot[i]);
    }
}

enum { OPT_EXPLAIN = OPTION_LONG };

const struct verb_option digest_options[] = {
    {"output", 'o', "FILE", "write reference values for `cvmctl verify --reference`"},
    {"explain", OPT_EXPLAIN, NULL, "list every input of the measurement"},
    {0},
};

int verb_digest(int argc, char **argv) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    _cleanup_cvm_free_ struct cvm_reference *ref = NULL;
    struct reference_options ro = {0};
    const char *output = NULL, *text;
    bool verbose = false;
    struct cvm_error e = {""};
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0) {
        if (reference_options_take(&ro, c, optarg))
            continue;
        switch (c) {
        case 'o':
            output = optarg;
            break;
        case OPT_EXPLAIN:
            verbose = true;
            break;
        }
    }
    if (!reference_options_given(&ro))
        return usage_error(argv[0], "nothing to measure: give --kernel, --rootvisor or --guardian");
    ref = malloc(sizeof(*ref));
    if (!ref)
        return CVM_EXIT_ERROR;
    r = reference_options_complete(&ro, NULL, &e);
    if (r == 0)
        r = cvm_reference_from_files(&ro.files, NULL, ref, &e);
    if (r < 0)
        return fail(argv[0], CVM_EXIT_ERROR, "%s", e.text);
    o = cvm_reference_to_json(ref);
    if (!o)
        return fail(argv[0], CVM_EXIT_ERROR, "out of memory");
    text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (output) {
        r = cvm_write_file(output, text, strlen(text), &e);
        if (r < 0)
            return fail(argv[0], CVM_EXIT_ERROR, "%s", e.text);
    }
    if (arg_json)
        printf("%s\n", text);
    else if (verbose)
        explain(ref, &ro.files);
    else if (!(arg_quiet && output)) {
        if (ref->nr_launch)
            print_line("launch measurement", ref->launch[0].digest);
        if (ref->nr_firmware && !ref->nr_launch)
            print_line("firmware", ref->firmware[0].digest);
        if (ref->nr_rootvisor)
            print_line("RootVisor", ref->rootvisor[0].digest);
        if (ref->nr_guardian)
            print_line("Guardian", ref->guardian[0].digest);
        for (unsigned i = 0; i < ref->nr_boot; i++)
            print_boot(&ref->boot[i]);
    }
    return 0;
}
