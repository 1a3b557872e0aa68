/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Every size and every offset of the ABI, checked wherever this is compiled: 64-bit images,
 * 32-bit cvmboot, user space. A change here is a change of CVM_ABI_VERSION.
 */
#ifndef CVM_LAYOUT_H
#define CVM_LAYOUT_H

#include "cvm/guardian.h"

#define CVM_AT(s, f, o)	_Static_assert(offsetof(struct s, f) == (o), #s "." #f)
#define CVM_SIZE(s, n)	_Static_assert(sizeof(struct s) == (n), #s)

/* cvm/abi.h */
CVM_SIZE(cvm_acpi_table, 56);
CVM_AT(cvm_acpi_table, acpi_header, 0);
CVM_AT(cvm_acpi_table, abi_version, 36);
CVM_AT(cvm_acpi_table, secret, 40);
CVM_SIZE(cvm_event, 64);
CVM_AT(cvm_event, seq, 0);
CVM_AT(cvm_event, tsc, 8);
CVM_AT(cvm_event, type, 16);
CVM_AT(cvm_event, reason, 20);
CVM_AT(cvm_event, cpu, 24);
CVM_AT(cvm_event, vm, 28);
CVM_AT(cvm_event, uuid, 32);
CVM_AT(cvm_event, arg, 48);
CVM_SIZE(cvm_event_page, 4096);
CVM_AT(cvm_event_page, first_seq, 0);
CVM_AT(cvm_event_page, next_seq, 8);
CVM_AT(cvm_event_page, count, 16);
CVM_AT(cvm_event_page, reserved, 20);
CVM_AT(cvm_event_page, before, 96);
CVM_AT(cvm_event_page, ev, 128);
CVM_SIZE(cvm_host_info, 224);
CVM_AT(cvm_host_info, abi_version, 0);
CVM_AT(cvm_host_info, version, 4);
CVM_AT(cvm_host_info, svn, 8);
CVM_AT(cvm_host_info, guardian_svn, 12);
CVM_AT(cvm_host_info, cpus, 16);
CVM_AT(cvm_host_info, vms, 20);
CVM_AT(cvm_host_info, features, 24);
CVM_AT(cvm_host_info, tsc_khz, 32);
CVM_AT(cvm_host_info, uptime_tsc, 40);
CVM_AT(cvm_host_info, ram_frames, 48);
CVM_AT(cvm_host_info, rootvisor_frames, 56);
CVM_AT(cvm_host_info, private_frames, 64);
CVM_AT(cvm_host_info, pool_frames_free, 72);
CVM_AT(cvm_host_info, rootvisor_digest, 80);
CVM_AT(cvm_host_info, guardian_digest, 128);
CVM_AT(cvm_host_info, cpu_model, 176);
CVM_SIZE(cvm_stats, 704);
CVM_AT(cvm_stats, exits, 0);
CVM_AT(cvm_stats, reflected, 8);
CVM_AT(cvm_stats, upcalls, 16);
CVM_AT(cvm_stats, sealed, 24);
CVM_AT(cvm_stats, unsealed, 32);
CVM_AT(cvm_stats, taken, 40);
CVM_AT(cvm_stats, returned, 48);
CVM_AT(cvm_stats, injected, 56);
CVM_AT(cvm_stats, by_reason, 64);
CVM_SIZE(cvm_vm_info, 104);
CVM_AT(cvm_vm_info, id, 0);
CVM_AT(cvm_vm_info, state, 4);
CVM_AT(cvm_vm_info, reason, 8);
CVM_AT(cvm_vm_info, vcpus, 12);
CVM_AT(cvm_vm_info, uuid, 16);
CVM_AT(cvm_vm_info, ram_bytes, 32);
CVM_AT(cvm_vm_info, frames, 40);
CVM_AT(cvm_vm_info, stop_arg, 48);
CVM_AT(cvm_vm_info, launch_digest, 56);
CVM_SIZE(cvm_vm_list, 1672);
CVM_AT(cvm_vm_list, count, 0);
CVM_AT(cvm_vm_list, reserved, 4);
CVM_AT(cvm_vm_list, vm, 8);

/* cvm/boot.h */
CVM_SIZE(cvm_component, 24);
CVM_AT(cvm_component, kind, 0);
CVM_AT(cvm_component, reserved, 4);
CVM_AT(cvm_component, gpa, 8);
CVM_AT(cvm_component, size, 16);
CVM_SIZE(cvm_ram_range, 16);
CVM_AT(cvm_ram_range, gpa, 0);
CVM_AT(cvm_ram_range, size, 8);
CVM_SIZE(cvm_protect, 288);
CVM_AT(cvm_protect, version, 0);
CVM_AT(cvm_protect, flags, 4);
CVM_AT(cvm_protect, uuid, 8);
CVM_AT(cvm_protect, nr_ram, 24);
CVM_AT(cvm_protect, nr_components, 28);
CVM_AT(cvm_protect, ram, 32);
CVM_AT(cvm_protect, comp, 96);
CVM_SIZE(cvm_launch_table, 280);
CVM_AT(cvm_launch_table, version, 0);
CVM_AT(cvm_launch_table, vcpus, 4);
CVM_AT(cvm_launch_table, nr_ram, 8);
CVM_AT(cvm_launch_table, nr_components, 12);
CVM_AT(cvm_launch_table, ram, 16);
CVM_AT(cvm_launch_table, comp, 80);
CVM_AT(cvm_launch_table, tsc_khz, 272);

/* cvm/report.h */
CVM_SIZE(cvm_measured, 64);
CVM_AT(cvm_measured, kind, 0);
CVM_AT(cvm_measured, reserved, 4);
CVM_AT(cvm_measured, size, 8);
CVM_AT(cvm_measured, digest, 16);
CVM_SIZE(cvm_report, 1176);
CVM_AT(cvm_report, magic, 0);
CVM_AT(cvm_report, version, 4);
CVM_AT(cvm_report, size, 8);
CVM_AT(cvm_report, flags, 12);
CVM_AT(cvm_report, rootvisor_version, 16);
CVM_AT(cvm_report, rootvisor_svn, 20);
CVM_AT(cvm_report, guardian_svn, 24);
CVM_AT(cvm_report, vm_id, 28);
CVM_AT(cvm_report, platform, 32);
CVM_AT(cvm_report, uptime_tsc, 40);
CVM_AT(cvm_report, tsc_khz, 48);
CVM_AT(cvm_report, counter, 56);
CVM_AT(cvm_report, rootvisor_digest, 64);
CVM_AT(cvm_report, guardian_digest, 112);
CVM_AT(cvm_report, uuid, 160);
CVM_AT(cvm_report, launch_digest, 176);
CVM_AT(cvm_report, rtmr, 224);
CVM_AT(cvm_report, nr_measured, 416);
CVM_AT(cvm_report, kex_alg, 420);
CVM_AT(cvm_report, measured, 424);
CVM_AT(cvm_report, kex_public, 936);
CVM_AT(cvm_report, user_data, 1008);
CVM_AT(cvm_report, requester, 1072);
CVM_AT(cvm_report, reserved, 1076);
CVM_AT(cvm_report, report_key_id, 1080);
CVM_AT(cvm_report, signature, 1112);
CVM_SIZE(cvm_report_call, 1240);
CVM_AT(cvm_report_call, user_data, 0);
CVM_AT(cvm_report_call, report, 64);
CVM_SIZE(cvm_log_head, 456);
CVM_AT(cvm_log_head, magic, 0);
CVM_AT(cvm_log_head, version, 4);
CVM_AT(cvm_log_head, size, 8);
CVM_AT(cvm_log_head, flags, 12);
CVM_AT(cvm_log_head, seq, 16);
CVM_AT(cvm_log_head, tsc, 24);
CVM_AT(cvm_log_head, tsc_khz, 32);
CVM_AT(cvm_log_head, counts, 40);
CVM_AT(cvm_log_head, chain, 168);
CVM_AT(cvm_log_head, rootvisor_digest, 200);
CVM_AT(cvm_log_head, guardian_digest, 248);
CVM_AT(cvm_log_head, user_data, 296);
CVM_AT(cvm_log_head, report_key_id, 360);
CVM_AT(cvm_log_head, signature, 392);
CVM_SIZE(cvm_log_call, 520);
CVM_AT(cvm_log_call, user_data, 0);
CVM_AT(cvm_log_call, head, 64);
CVM_SIZE(cvm_rtmr_extend, 56);
CVM_AT(cvm_rtmr_extend, index, 0);
CVM_AT(cvm_rtmr_extend, reserved, 4);
CVM_AT(cvm_rtmr_extend, digest, 8);
CVM_SIZE(cvm_report_key, 72);
CVM_AT(cvm_report_key, point, 0);
CVM_AT(cvm_report_key, reserved, 65);

/* cvm/key.h */
CVM_SIZE(cvm_key, 256);
CVM_AT(cvm_key, size, 0);
CVM_AT(cvm_key, reserved, 4);
CVM_AT(cvm_key, bytes, 8);
CVM_SIZE(cvm_key_binding, 160);
CVM_AT(cvm_key_binding, label, 0);
CVM_AT(cvm_key_binding, uuid, 16);
CVM_AT(cvm_key_binding, launch_digest, 32);
CVM_AT(cvm_key_binding, user_data, 80);
CVM_AT(cvm_key_binding, counter, 144);
CVM_AT(cvm_key_binding, rollback, 152);
CVM_SIZE(cvm_key_blob, 376);
CVM_AT(cvm_key_blob, magic, 0);
CVM_AT(cvm_key_blob, version, 4);
CVM_AT(cvm_key_blob, size, 8);
CVM_AT(cvm_key_blob, reserved, 12);
CVM_AT(cvm_key_blob, counter, 16);
CVM_AT(cvm_key_blob, rollback, 24);
CVM_AT(cvm_key_blob, enc, 32);
CVM_AT(cvm_key_blob, zero, 97);
CVM_AT(cvm_key_blob, text, 104);
CVM_AT(cvm_key_blob, tag, 360);

/* cvm/guardian.h */
CVM_SIZE(cvm_g_header, 80);
CVM_AT(cvm_g_header, magic, 0);
CVM_AT(cvm_g_header, abi_version, 8);
CVM_AT(cvm_g_header, svn, 12);
CVM_AT(cvm_g_header, image_size, 16);
CVM_AT(cvm_g_header, memory_size, 24);
CVM_AT(cvm_g_header, text_size, 32);
CVM_AT(cvm_g_header, rodata_size, 40);
CVM_AT(cvm_g_header, entry, 48);
CVM_AT(cvm_g_header, stack_top, 56);
CVM_AT(cvm_g_header, page_table, 64);
CVM_AT(cvm_g_header, fs_base, 72);
CVM_SIZE(cvm_g_init, 80);
CVM_AT(cvm_g_init, vm_id, 0);
CVM_AT(cvm_g_init, nr_ram, 4);
CVM_AT(cvm_g_init, max_gfn, 8);
CVM_AT(cvm_g_init, ram, 16);
CVM_SIZE(cvm_g_measure, 40);
CVM_AT(cvm_g_measure, index, 0);
CVM_AT(cvm_g_measure, kind, 4);
CVM_AT(cvm_g_measure, gpa, 8);
CVM_AT(cvm_g_measure, size, 16);
CVM_AT(cvm_g_measure, total, 24);
CVM_AT(cvm_g_measure, first, 32);
CVM_AT(cvm_g_measure, last, 36);
CVM_SIZE(cvm_g_launch, 48);
CVM_AT(cvm_g_launch, digest, 0);
CVM_SIZE(cvm_g_page, 16);
CVM_AT(cvm_g_page, gfn, 0);
CVM_AT(cvm_g_page, slot, 8);
CVM_AT(cvm_g_page, reserved, 12);
CVM_SIZE(cvm_g_cpu, 272);
CVM_AT(cvm_g_cpu, gpr, 0);
CVM_AT(cvm_g_cpu, rip, 128);
CVM_AT(cvm_g_cpu, rflags, 136);
CVM_AT(cvm_g_cpu, cr0, 144);
CVM_AT(cvm_g_cpu, cr3, 152);
CVM_AT(cvm_g_cpu, cr4, 160);
CVM_AT(cvm_g_cpu, efer, 168);
CVM_AT(cvm_g_cpu, seg_base, 176);
CVM_AT(cvm_g_cpu, seg_limit, 224);
CVM_AT(cvm_g_cpu, seg_ar, 248);
CVM_SIZE(cvm_g_access, 40);
CVM_AT(cvm_g_access, kind, 0);
CVM_AT(cvm_g_access, write, 4);
CVM_AT(cvm_g_access, gpa, 8);
CVM_AT(cvm_g_access, linear, 16);
CVM_AT(cvm_g_access, linear_valid, 24);
CVM_AT(cvm_g_access, port, 28);
CVM_AT(cvm_g_access, vcpu, 32);
CVM_AT(cvm_g_access, reserved, 36);
CVM_SIZE(cvm_g_step, 40);
CVM_AT(cvm_g_step, kind, 0);
CVM_AT(cvm_g_step, size, 4);
CVM_AT(cvm_g_step, gpa, 8);
CVM_AT(cvm_g_step, data, 16);
CVM_AT(cvm_g_step, vector, 24);
CVM_AT(cvm_g_step, has_error, 28);
CVM_AT(cvm_g_step, error_code, 32);
CVM_AT(cvm_g_step, reserved, 36);
CVM_SIZE(cvm_g_quoter, 184);
CVM_AT(cvm_g_quoter, rootvisor_size, 0);
CVM_AT(cvm_g_quoter, guardian_size, 8);
CVM_AT(cvm_g_quoter, rootvisor_digest, 16);
CVM_AT(cvm_g_quoter, guardian_digest, 64);
CVM_AT(cvm_g_quoter, key, 112);
CVM_SIZE(cvm_g_log, 3536);
CVM_AT(cvm_g_log, count, 0);
CVM_AT(cvm_g_log, sign, 4);
CVM_AT(cvm_g_log, ev, 8);
CVM_AT(cvm_g_log, before, 2056);
CVM_AT(cvm_g_log, head, 3080);
CVM_SIZE(cvm_g_mailbox, 3544);
CVM_AT(cvm_g_mailbox, abi_version, 0);
CVM_AT(cvm_g_mailbox, op, 4);
CVM_AT(cvm_g_mailbox, init, 8);
CVM_AT(cvm_g_mailbox, access, 8 + 272);
CVM_AT(cvm_g_mailbox, data, 8 + 272 + 40);
CVM_AT(cvm_g_mailbox, step, 8 + 272 + 40 + 8);

#undef CVM_AT
#undef CVM_SIZE

#endif
