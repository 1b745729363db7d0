import Verify
