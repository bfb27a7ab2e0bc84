"""What a runtime takes, in which form it wants an upsampling, and what that costs: one file a runtime."""
