/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <string.h>
#include <sys/mman.h>

#include "host/vfio-uapi.h"
#include "tests/consumer/proof.h"

/* Below the window of message signalled interrupts (0xfee00000 on x86) and above what firmware likes to reserve. */
#define PAGE_IOVA 0x10000000ULL

static void expect_container(Proof *proof, int container) {
        struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, .iova = PAGE_IOVA };
        size_t size = 0;
        void *page;
        int r;

        proof_expect(proof, ioctl(container, VFIO_GET_API_VERSION) == VFIO_API_VERSION, "container: speaks VFIO's version %d", VFIO_API_VERSION);
        r = ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
        proof_expect_errno(proof, r, errno, EINVAL, "setting the IOMMU type again", "container");

        page = proof_new_page(&size);
        map.vaddr = (uintptr_t) page;
        map.size = size;
        r = page ? ioctl(container, VFIO_IOMMU_MAP_DMA, &map) : -1;
        proof_expect(proof, r == 0, "container: a page of this process is mapped into the devices' address space");
        if (r < 0 && page)
                (void) munmap(page, size);
}

static void expect_group(Proof *proof, const ReceivedFd *group, int container) {
        struct vfio_group_status status = { .argsz = sizeof(status) };
        int r;

        r = ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status);
        proof_expect(proof, r == 0 && (status.flags & VFIO_GROUP_FLAGS_VIABLE) && (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET), "%s: is viable and in a container", group->name);
        r = ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &container);
        proof_expect_errno(proof, r, errno, EINVAL, "a second container", group->name);
}

static void expect_group_of_device(Proof *proof, const Received *received, const ReceivedFd *device) {
        char name[32];

        (void) snprintf(name, sizeof(name), "group:%ld", proof_read_group(device->name));
        proof_expect(proof, received_find_shared(received, name) >= 0, "%s: its group's fd came along as %s", device->name, name);
}

void proof_group(Proof *proof, const Received *received) {
        int container = received_find_shared(received, "container");

        if (!proof_expect(proof, container >= 0 && received->n_shared >= 2, "container: came with %zu groups", received->n_shared - (container >= 0)))
                return;

        expect_container(proof, container);
        for (size_t i = 0; i < received->n_shared; i++)
                if (strncmp(received->shared[i].name, "group:", strlen("group:")) == 0)
                        expect_group(proof, &received->shared[i], container);

        for (size_t i = 0; i < received->n_devices; i++) {
                expect_group_of_device(proof, received, &received->devices[i]);
                proof_device(proof, &received->devices[i]);
        }
}
