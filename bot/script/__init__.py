"""What a bot says and listens for: the script language, its checks and its interpreter."""
