/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The parts of the kernel's interface to user space that older build headers lack (Debian 12's linux-libc-dev is 6.1: it has
 * no linux/iommufd.h, and a linux/vfio.h without the cdev ioctls). They are declared here under names of their own, so that
 * newer headers can be there too, and hold only the fields that are used: both interfaces are told the size of what they get.
 *
 * Source: include/uapi/linux/iommufd.h and include/uapi/linux/vfio.h of Linux 6.12 (where they came: 6.2 and 6.6). */

#include <linux/types.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <sys/ioctl.h>

/* iommufd.h: IOMMUFD_TYPE is ';', like VFIO_TYPE, and commands start at 0x80. */

#define UAPI_IOMMU_IOAS_ALLOC _IO(';', 0x81)
#define UAPI_IOMMU_IOAS_MAP _IO(';', 0x85)
#define UAPI_IOMMU_OPTION _IO(';', 0x87)

/* struct iommu_ioas_alloc */
struct uapi_iommu_ioas_alloc {
        __u32 size;
        __u32 flags;
        __u32 out_ioas_id;
};
_Static_assert(sizeof(struct uapi_iommu_ioas_alloc) == 12, "struct iommu_ioas_alloc");

#define UAPI_IOMMU_IOAS_MAP_WRITEABLE 2U
#define UAPI_IOMMU_IOAS_MAP_READABLE 4U

/* struct iommu_ioas_map */
struct uapi_iommu_ioas_map {
        __u32 size;
        __u32 flags;
        __u32 ioas_id;
        __u32 reserved;
        __aligned_u64 user_va;
        __aligned_u64 length;
        __aligned_u64 iova;
};
_Static_assert(sizeof(struct uapi_iommu_ioas_map) == 40 && offsetof(struct uapi_iommu_ioas_map, user_va) == 16, "struct iommu_ioas_map");

#define UAPI_IOMMU_OPTION_RLIMIT_MODE 0U
#define UAPI_IOMMU_OPTION_OP_SET 0U
#define UAPI_IOMMU_OPTION_OP_GET 1U

/* The value of IOMMU_OPTION_RLIMIT_MODE that accounts pinned memory per process (the documentation of enum iommufd_option). */
#define UAPI_IOMMU_RLIMIT_MODE_PROCESS 1U

/* struct iommu_option */
struct uapi_iommu_option {
        __u32 size;
        __u32 option_id;
        __u16 op;
        __u16 reserved;
        __u32 object_id;
        __aligned_u64 val64;
};
_Static_assert(sizeof(struct uapi_iommu_option) == 24 && offsetof(struct uapi_iommu_option, val64) == 16, "struct iommu_option");

/* vfio.h */

#define UAPI_VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#define UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 20)

/* struct vfio_device_bind_iommufd */
struct uapi_vfio_device_bind_iommufd {
        __u32 argsz;
        __u32 flags;
        __s32 iommufd;
        __u32 out_devid;
};
_Static_assert(sizeof(struct uapi_vfio_device_bind_iommufd) == 16, "struct vfio_device_bind_iommufd");

/* struct vfio_device_attach_iommufd_pt */
struct uapi_vfio_device_attach_iommufd_pt {
        __u32 argsz;
        __u32 flags;
        __u32 pt_id;
};
_Static_assert(sizeof(struct uapi_vfio_device_attach_iommufd_pt) == 12, "struct vfio_device_attach_iommufd_pt");

/* struct vfio_device_detach_iommufd_pt */
struct uapi_vfio_device_detach_iommufd_pt {
        __u32 argsz;
        __u32 flags;
};
_Static_assert(sizeof(struct uapi_vfio_device_detach_iommufd_pt) == 8, "struct vfio_device_detach_iommufd_pt");

/* Where the build headers have the ioctls, their numbers are these. */
#ifdef VFIO_DEVICE_BIND_IOMMUFD
_Static_assert(VFIO_DEVICE_BIND_IOMMUFD == UAPI_VFIO_DEVICE_BIND_IOMMUFD && VFIO_DEVICE_ATTACH_IOMMUFD_PT == UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT &&
                               VFIO_DEVICE_DETACH_IOMMUFD_PT == UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT,
               "linux/vfio.h disagrees");
#endif
