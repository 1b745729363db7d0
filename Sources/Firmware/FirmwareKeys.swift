import Diagnostics

/// The keys of config.txt, and what a board of the Pi 4's family makes of them.
///
/// Source: Raspberry Pi documentation, "The config.txt file" and "Legacy config.txt options"; each list names its section. A key that is
/// in none of them may still be one: the firmware's own file is asked, too (``StartFile``).
enum FirmwareKeys {
    /// Why a key has no effect on these boards; nil where it has one, or is not known.
    static func reasonAgainst(_ key: String) -> String? { unread[key] }

    /// Whether the documentation has the key, for whatever board.
    static func isKnown(_ key: String) -> Bool { read.contains(key) || unread[key] != nil }

    /// Whether the key's value is, or begins with, a number: all but names, texts and device trees.
    static func isNumber(_ key: String) -> Bool { read.contains(key) && !texts.contains(key) }

    private static let texts = Set(
        words(
            """
            armstub cec_osd_name cmdline device_tree dtoverlay dtparam fixup_file gpio hdmi_edid_filename kernel os_prefix
            overlay_prefix ramfsfile sha256 start_file
            """))

    /// The key that was probably meant.
    static func nearest(to key: String) -> String? { nearestName(to: key, in: read) }

    /// Settings that each HDMI port has of its own ("HDMI mode": `key:port`; "The [HDMI:*] filter").
    static let perPort = Set(
        words(
            """
            avoid_edid_fuzzy_match edid_content_type hdmi_cvt hdmi_drive hdmi_edid_file hdmi_edid_filename hdmi_force_cec_address
            hdmi_force_edid_audio hdmi_force_hotplug hdmi_force_mode hdmi_group hdmi_ignore_cec_init hdmi_ignore_edid
            hdmi_ignore_edid_audio hdmi_ignore_hotplug hdmi_max_pixel_freq hdmi_mode hdmi_pixel_encoding hdmi_pixel_freq_limit
            hdmi_timings
            """))

    /// What a Pi 4 reads.
    private static let read = perPort.union(
        [
            // "Boot options", and those of the device tree ("Device Trees, Overlays, and Parameters", "DTBs, overlays and
            // config.txt"; its "Debugging" has dtdebug).
            """
            arm_64bit arm_control arm_peri_high armstub auto_initramfs boot_delay boot_delay_ms boot_ramdisk cmdline device_tree
            device_tree_address device_tree_end disable_commandline_tags disable_poe_fan disable_splash dtdebug dtoverlay dtparam
            enable_gic enable_jtag_gpio enable_uart fixup_file force_eeprom_read init_uart_baud init_uart_clock kernel
            kernel_address kernel_old os_prefix otg_mode overlay_prefix ramfsaddr ramfsfile sha256 start_debug start_file start_x
            uart_2ndstage upstream_kernel
            """,
            // What the bootloader in the EEPROM reads besides: "Secure boot configuration properties".
            """
            bootloader_update eeprom_write_protect erase_eeprom program_jtag_lock program_pubkey program_rpiboot_gpio revoke_devkey
            """,
            // "GPIO control", "Common options", "Miscellaneous options", "Camera settings", "Onboard analogue audio", "Memory options".
            """
            audio_pwm_mode avoid_warnings awb_auto_is_greyworld camera_auto_detect disable_audio_dither disable_camera_led
            disable_l2cache display_auto_detect enable_audio_dither gpio gpu_mem gpu_mem_1024 logging_level pwm_sample_bits
            total_mem
            """,
            // "Overclocking options".
            """
            arm_boost arm_freq arm_freq_min core_freq core_freq_min force_turbo gpu_freq gpu_freq_min h264_freq h264_freq_min
            hevc_freq hevc_freq_min initial_turbo isp_freq isp_freq_min never_over_voltage over_voltage over_voltage_delta
            over_voltage_min temp_limit v3d_freq v3d_freq_min
            """,
            // "Video options" and "Legacy video options".
            """
            cec_osd_name disable_fw_kms_setup disable_overscan disable_touchscreen dispmanx_offline display_default_lcd
            display_hdmi_rotate display_lcd_rotate display_rotate dpi_group dpi_mode dpi_output_format dpi_timings enable_dpi_lcd
            enable_tvout framebuffer_depth framebuffer_height framebuffer_ignore_alpha framebuffer_priority framebuffer_width
            hdmi_blanking hdmi_enable_4kp60 hdmi_force_edid_3d hdmi_ignore_cec hdmi_safe ignore_lcd lcd_framerate lcd_rotate
            max_framebuffer_height max_framebuffer_width max_framebuffers overscan_bottom overscan_left overscan_right
            overscan_scale overscan_top sdtv_aspect sdtv_disable_colourburst sdtv_mode test_mode
            """,
        ].flatMap(words))

    /// What the documentation has, but not for a Pi 4.
    private static let unread: [String: String] = {
        var reasons: [String: String] = [:]
        for (keys, reason) in [
            // "Common options", "Boot options".
            (
                "enable_rp1_uart os_check pciex4_reset power_force_3v3_pwm usb_max_current_enable",
                "it is for the Pi 5 and its kin"
            ),
            // "Boot options": bootcode.bin is what boards before the Pi 4 start from.
            ("bootcode_delay", "it is for bootcode.bin, which a Pi 4 does not start from"),
            // "Overclocking options": the SDRAM's keys, temp_soft_limit; "Legacy overclocking options": disable_auto_turbo.
            (
                "over_voltage_sdram over_voltage_sdram_c over_voltage_sdram_i over_voltage_sdram_p sdram_freq sdram_freq_min",
                "a Pi 4 lets nobody set its SDRAM's clock and voltage"
            ), ("temp_soft_limit", "it is for the Pi 3A+ and 3B+"),
            ("disable_auto_turbo", "it is for the Pi 2 and Pi 3"),
            // "Licence key and codec options".
            ("decode_MPG2 decode_WVC1", "a Pi 4 has no decoder of that kind"),
            // "Memory options": each counts on boards with that much memory alone.
            ("gpu_mem_256 gpu_mem_512", "every Pi 4 has more memory"),
            // "HDMI mode".
            ("config_hdmi_boost", "a Pi 4 ignores it"),
            // "Miscellaneous options".
            ("max_usb_current", "it has been out of use since the firmware has it on for all boards"),
            // "autoboot.txt".
            ("tryboot_a_b", "it belongs in autoboot.txt"),
        ] {
            for key in words(keys) { reasons[key] = reason }
        }
        return reasons
    }()

    private static func words(_ text: String) -> [String] {
        text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
}
