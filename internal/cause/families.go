package cause

import (
	"slices"
	"strings"
)

// family tells by the functions of a stack what the thread waits for.
type family struct {
	code     Code
	modules  []string // of the kernel, the part before the first digit of a version included
	prefixes []string // of functions
	exact    []string // functions
}

// families are asked in this order about one frame; the topmost frame that
// any of them knows decides. Each name is from the source of that part of the
// kernel, or from a stack in testdata that says where it was seen.
var families = []family{
	{code: FrozenCgroup, exact: []string{"__refrigerator", "do_freezer_trap", "cgroup_enter_frozen", "cgroup_freezing"}},
	{
		code:     NFS,
		modules:  []string{"nfs", "nfsv2", "nfsv3", "nfsv4", "sunrpc", "lockd", "nfs_layout_nfsv41_files", "nfs_layout_flexfiles", "blocklayoutdriver", "rpcrdma"},
		prefixes: []string{"nfs_", "nfs3_", "nfs4_", "_nfs4_", "__nfs_", "__nfs4_", "__put_nfs_", "rpc_", "__rpc_", "xprt_", "nlmclnt_", "pnfs_"},
	},
	{
		code:     Lustre,
		modules:  []string{"lustre", "ptlrpc", "obdclass", "osc", "mdc", "lmv", "lov", "mgc", "fid", "fld", "libcfs", "lnet", "ko2iblnd", "ksocklnd"},
		prefixes: []string{"ptlrpc_", "ldlm_", "cl_sync_io_"},
	},
	{code: GPFS, modules: []string{"mmfs26", "mmfslinux", "mmfs"}, prefixes: []string{"cxiWait", "gpfs_", "kxWait"}},
	{code: BeeGFS, modules: []string{"beegfs", "fhgfs"}, prefixes: []string{"FhgfsOps", "__FhgfsOps"}},
	{code: CephFS, modules: []string{"ceph", "libceph"}, prefixes: []string{"ceph_", "__ceph_"}},
	{code: FUSE, modules: []string{"fuse", "virtiofs"}, prefixes: []string{"fuse_", "__fuse_"}, exact: []string{"request_wait_answer"}},
	{code: NVIDIA, modules: []string{"nvidia", "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia_peermem"}, prefixes: []string{"nvidia_", "uvm_"}},
	{code: AMD, modules: []string{"amdgpu", "amdkfd", "amdttm", "amd_sched", "amdkcl"}, prefixes: []string{"amdgpu_", "kfd_", "amd_sched_"}},
	{code: MemoryLimit, prefixes: []string{"mem_cgroup_oom", "mem_cgroup_out_of_memory"}, exact: []string{"mem_cgroup_handle_over_high", "__mem_cgroup_handle_over_high", "try_to_free_mem_cgroup_pages"}},
	{
		code:     Reclaim,
		prefixes: []string{"shrink_", "throttle_direct_reclaim", "reclaim_throttle"},
		exact:    []string{"try_to_free_pages", "do_try_to_free_pages", "congestion_wait", "wait_iff_congested", "__alloc_pages_slowpath"},
	},
	{
		code:     Block,
		modules:  []string{"ext4", "jbd2", "xfs", "btrfs", "dm_mod", "loop", "zfs", "spl", "bcachefs", "md_mod", "raid456", "nvme_core", "scsi_mod"},
		prefixes: []string{"ext4_", "__ext4_", "jbd2_", "__jbd2_", "xfs_", "btrfs_", "blk_", "bio_", "submit_bio", "rq_qos_", "wbt_", "dm_", "md_", "blkdev_", "loop_"},
		exact:    []string{"__wait_on_buffer", "do_get_write_access", "start_this_handle", "wait_transaction_locked", "wait_current_trans"},
	},
	{code: CoreDump, prefixes: []string{"dump_"}, exact: []string{"do_coredump", "vfs_coredump", "elf_core_dump", "coredump_wait"}},
	{
		code:     ExitMemory,
		prefixes: []string{"unmap_", "zap_", "free_pgtables", "free_pgd_range", "tlb_", "free_unref_", "release_pages", "free_pages_and_swap_cache", "free_swap_cache"},
		exact:    []string{"exit_mmap", "exit_mm", "mmput", "__mmput", "folios_put_refs"},
	},
}

// types are the file systems of each family, as mountinfo writes them.
var types = map[Code][]string{
	NFS: {"nfs", "nfs4"}, Lustre: {"lustre"}, GPFS: {"gpfs"}, BeeGFS: {"beegfs", "fhgfs"}, CephFS: {"ceph"},
	FUSE: {"fuse", "fuseblk", "virtiofs"},
}

// typeOf says whether a file system belongs to the family.
func typeOf(code Code, name string) bool {
	return slices.Contains(types[code], name) || code == FUSE && strings.HasPrefix(name, "fuse.")
}

// familyOf returns the family that knows a frame, "" for none.
func familyOf(function, module string) Code {
	for _, family := range families {
		if module != "" && slices.Contains(family.modules, module) || slices.Contains(family.exact, function) {
			return family.code
		}
		for _, prefix := range family.prefixes {
			if strings.HasPrefix(function, prefix) {
				return family.code
			}
		}
	}
	return ""
}

// startsWrite are the places that ask a file system whether it may be written
// to now, and wait there while it is frozen (include/linux/fs.h,
// sb_start_write and its kin, which compilers put into their callers).
var startsWrite = []string{
	"mnt_want_write", "mnt_want_write_file", "__mnt_want_write_file", "__sb_start_write", "sb_start_write", "sb_wait_write",
	"vfs_write", "vfs_writev", "vfs_iter_write", "vfs_iocb_iter_write", "do_iter_write", "do_iter_readv_writev", "do_writev", "file_start_write", "vfs_fallocate",
	"vfs_copy_file_range", "vfs_clone_file_range", "do_sendfile", "do_splice", "do_splice_direct", "splice_file_range", "iter_file_splice_write",
	"do_sys_ftruncate", "do_ftruncate", "do_sys_truncate", "vfs_truncate", "filename_create", "do_unlinkat", "do_rmdir", "do_renameat2",
	"aio_write", "io_write", "io_rw_init_file", "do_open", "path_openat", "open_last_lookups", "file_update_time",
	"filemap_page_mkwrite", "block_page_mkwrite", "ext4_page_mkwrite", "__xfs_filemap_fault", "xfs_filemap_page_mkwrite", "xfs_write_fault", "btrfs_page_mkwrite",
	"xfs_trans_alloc", "start_transaction", "ext4_evict_inode", "do_page_mkwrite",
}
